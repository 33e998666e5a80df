// SPDX-License-Identifier: Apache-2.0
/// Where a job lives: a folder of its own under /tmp/runlet, made for it and removed after it.
///
/// Nothing of a job may reach the next one, so not only the folder goes but everything in /tmp.
/// `root` is that folder, "/tmp" in the program; tests bring one of their own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/http/http.h"
#include "common/system/environment.h"

#define WORKSPACE_ROOT "/tmp"
/// ROOT/runlet/, and the one folder in it that clean-up may leave.
#define WORKSPACE_PARENT "runlet"
#define WORKSPACE_PROVIDERS "providers"

/// Removes all that is in `root`, whatever it is, without following a link. To be called at init
/// (Lambda may hand back a used /tmp after a crash), after each job, and before the next one; when
/// nobody can write there any more. Where `root` is ours, its mode becomes 0700, and ACLs, extended
/// attributes and flags that a job may have hung on it go. Fails with the code
/// "Runtime.WorkspaceDirty" if something cannot be removed, or not within `limit_ms` (0: no limit),
/// or if the folder itself has grown over 16 MiB, which its file system does not give back.
bool workspace_empty(const char *root, int64_t limit_ms, struct error *err);
/// The same, but leaves ROOT/runlet/providers where that is a folder, whatever is in it: for who
/// checks all of it before the next job (mirror.h).
bool workspace_empty_but_providers(const char *root, int64_t limit_ms, struct error *err);

struct workspace_options {
    const char *root;
    /// The PATH that the job's shells shall have: `bash -l` reads /etc/profile, which may replace
    /// it.
    const char *path;
    /// The server's port, beside 80 and 443, that the hosts' addresses are for.
    uint16_t server_port;
    const struct http_host *hosts;
    size_t host_count;
    /// CI_SERVER_TLS_CA_FILE; NULL: none.
    const char *ca_file;
    /// A folder with a provider mirror, which the job's terraform or tofu is told of; NULL: none.
    const char *providers;
    /// ROOT/runlet/providers is there already.
    bool providers_kept;
};

struct workspace;
#define cleanup_workspace __attribute__((cleanup(workspace_destroyp)))

/// Makes ROOT/runlet/<random>/ with home, tmp, builds and cache, and in home a profile for login
/// shells and git's settings. `root` must be empty: what is there is an error, with the code
/// "Runtime.WorkspaceDirty". NULL on failure; of a mirror without providers the code is
/// "Runtime.ConfigInvalid".
struct workspace *workspace_new(const struct workspace_options *options, struct error *err);
/// Releases the memory; the files stay until workspace_empty().
void workspace_destroyp(struct workspace **workspace);

/// The folder itself.
const char *workspace_folder(const struct workspace *workspace);
const char *workspace_builds(const struct workspace *workspace);
const char *workspace_cache(const struct workspace *workspace);
/// TMPDIR.
const char *workspace_tmp(const struct workspace *workspace);
/// Sets HOME and TMPDIR, with a mirror TF_CLI_CONFIG_FILE, and where there is a CA file
/// GIT_SSL_CAINFO and SSL_CERT_FILE (a file with the system's certificates and it) and
/// CI_SERVER_TLS_CA_FILE.
void workspace_set_environment(const struct workspace *workspace, struct environment *environment);
