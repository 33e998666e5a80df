// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bootstrap/runtime/error_types.h"
#include "bootstrap/workspace/mirror_config.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/attributes.h"
#include "common/system/files.h"

static const size_t MAX_CERTIFICATES = (size_t)8 << 20;
static const size_t MAX_TEXT = (size_t)1 << 20;
static const long long MOST_FOLDER_BYTES = 16LL << 20;

struct workspace {
    char *folder;
    char *home;
    char *tmp;
    char *builds;
    char *cache;
    /// NULL where there is no CA file.
    char *ca_bundle;
    char *ca_file;
    /// NULL where there is no mirror.
    char *cli_config;
};

/// Some file systems (ext4) never give back what the list of a folder's entries once took: with a
/// million long names that is the whole of /tmp. Usual jobs stay far below.
static bool check_size(const char *folder, struct error *err) {
    struct stat status;
    if (stat(folder, &status) != 0) {
        return error_errno(err, errno, "cannot look at it");
    }
    const long long size = (long long)status.st_blocks * 512;
    return size <= MOST_FOLDER_BYTES ||
           error_set(err, "too_large", "the empty folder itself takes %lld bytes", size);
}

/// Empties the folder but for `keep`, and takes away what hangs on it: a default ACL or a flag
/// would reach all that the next job makes.
static bool empty(const char *folder, const char *keep, int64_t limit_ms, struct error *err) {
    return (files_empty_directory(folder, keep, limit_ms, err) &&
            attributes_reset_folder(folder, err) && check_size(folder, err)) ||
           error_set(err, ERROR_WORKSPACE_DIRTY, "cannot empty %s: %s", folder, err->message);
}

bool workspace_empty(const char *root, int64_t limit_ms, struct error *err) {
    return empty(root, NULL, limit_ms, err);
}

static bool is_folder(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool workspace_empty_but_providers(const char *root, int64_t limit_ms, struct error *err) {
    cleanup_free char *parent = xasprintf("%s/" WORKSPACE_PARENT, root);
    cleanup_free char *providers = xasprintf("%s/" WORKSPACE_PROVIDERS, parent);
    if (!is_folder(parent)) {
        return workspace_empty(root, limit_ms, err);
    }
    const int64_t end_ms = clock_monotonic_ms(clock_system()) + limit_ms;
    if (!empty(root, WORKSPACE_PARENT, limit_ms, err)) {
        return false;
    }
    const char *keep = is_folder(providers) ? WORKSPACE_PROVIDERS : NULL;
    int64_t left_ms = limit_ms > 0 ? end_ms - clock_monotonic_ms(clock_system()) : 0;
    left_ms = limit_ms > 0 && left_ms < 1 ? 1 : left_ms;
    return empty(parent, keep, left_ms, err);
}

// --- Root ----------------------------------------------------------------------------------------

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/// Nothing may be in `root` but what is kept: somebody still writes there.
static bool check_empty(const char *root, const char *kept, struct error *err) {
    cleanup_closedir DIR *directory = opendir(root);
    if (!directory) {
        return error_errno(err, errno, "cannot open %s", root);
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (!is_dots(entry->d_name) && (!kept || strcmp(entry->d_name, kept) != 0)) {
            return error_set(err, ERROR_WORKSPACE_DIRTY, "%s is not empty: %s", root,
                             entry->d_name);
        }
    }
    return true;
}

// --- Files ---------------------------------------------------------------------------------------

static bool make_folder(const char *path, struct error *err) {
    return mkdir(path, 0700) == 0 || error_errno(err, errno, "cannot make %s", path);
}

static bool write_file(const char *path, struct slice content, struct error *err) {
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_errno(err, errno, "cannot make %s", path);
    }
    return files_write_fd(fd, path, content, err);
}

/// A folder of this name in the workspace, made here; its path goes to `*path`.
static bool make_part(const struct workspace *workspace, const char *name, char **path,
                      struct error *err) {
    *path = xasprintf("%s/%s", workspace->folder, name);
    return make_folder(*path, err);
}

static bool make_folders(struct workspace *workspace, const struct workspace_options *options,
                         struct error *err) {
    cleanup_free char *all = xasprintf("%s/" WORKSPACE_PARENT, options->root);
    const bool there = options->providers_kept && is_folder(all);
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    workspace->folder = xasprintf("%s/%s", all, name);
    return (there ? check_empty(all, WORKSPACE_PROVIDERS, err) : make_folder(all, err)) &&
           make_folder(workspace->folder, err) &&
           make_part(workspace, "home", &workspace->home, err) &&
           make_part(workspace, "tmp", &workspace->tmp, err) &&
           make_part(workspace, "builds", &workspace->builds, err) &&
           make_part(workspace, "cache", &workspace->cache, err);
}

static void append_shell_quoted(struct buffer *out, const char *text) {
    buffer_append_byte(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'') {
            buffer_append_text(out, "'\\''");
        } else {
            buffer_append_byte(out, *c);
        }
    }
    buffer_append_byte(out, '\'');
}

/// ~/.profile: bash and sh alike read it in login shells, after /etc/profile, which may have
/// replaced PATH.
static bool write_profile(const struct workspace *workspace, const char *path, struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(MAX_TEXT);
    buffer_append_text(&text, "runlet_path=");
    append_shell_quoted(&text, path);
    buffer_append_text(&text, "\n"
                              "case \"$PATH\" in\n"
                              "\"$runlet_path\" | \"$runlet_path\":*) ;;\n"
                              "*) PATH=\"$runlet_path${PATH:+:$PATH}\" ;;\n"
                              "esac\n"
                              "export PATH\n"
                              "unset runlet_path\n");
    cleanup_free char *file = xasprintf("%s/.profile", workspace->home);
    return buffer_check(&text, file, err) && write_file(file, buffer_slice(&text), err);
}

/// Git looks up no name that RUNLET_EXTRA_HOSTS gives: http.curloptResolve, HOST:PORT:ADDRESSES.
static void append_resolve(struct buffer *text, const struct http_host *host, uint16_t port) {
    buffer_appendf(text, "\tcurloptResolve = \"%s:%u:%s\"\n", host->name, port, host->addresses);
}

static bool write_git_config(const struct workspace *workspace,
                             const struct workspace_options *options, struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(MAX_TEXT);
    // So that git's advice on the name does not stand in every job's trace.
    buffer_append_text(&text, "[init]\n\tdefaultBranch = main\n");
    if (options->host_count > 0) {
        buffer_append_text(&text, "[http]\n");
    }
    for (size_t i = 0; i < options->host_count; i++) {
        append_resolve(&text, &options->hosts[i], 443);
        append_resolve(&text, &options->hosts[i], 80);
        if (options->server_port != 443 && options->server_port != 80) {
            append_resolve(&text, &options->hosts[i], options->server_port);
        }
    }
    cleanup_free char *file = xasprintf("%s/.gitconfig", workspace->home);
    return buffer_check(&text, file, err) && write_file(file, buffer_slice(&text), err);
}

/// One file with the system's certificates and the CA's, so that a job can talk to GitLab and to
/// everybody else.
static bool write_ca_bundle(struct workspace *workspace, const char *ca_file, struct error *err) {
    if (!ca_file) {
        return true;
    }
    cleanup_buffer struct buffer bundle = BUFFER_INIT(MAX_CERTIFICATES);
    const char *system_file = http_system_ca_file();
    if (system_file && !files_read(system_file, &bundle, err)) {
        return false;
    }
    buffer_append_byte(&bundle, '\n');
    if (!files_read(ca_file, &bundle, err)) {
        return false;
    }
    workspace->ca_file = xstrdup(ca_file);
    workspace->ca_bundle = xasprintf("%s/ca-bundle.pem", workspace->folder);
    return buffer_check(&bundle, workspace->ca_bundle, err) &&
           write_file(workspace->ca_bundle, buffer_slice(&bundle), err);
}

/// Tells terraform and tofu of the mirror.
static bool write_cli_config(struct workspace *workspace, const char *providers,
                             struct error *err) {
    if (!providers) {
        return true;
    }
    cleanup_buffer struct buffer text = BUFFER_INIT(MAX_TEXT);
    cleanup_free char *links = xasprintf("%s/" WORKSPACE_PROVIDERS, workspace->folder);
    if (!mirror_config_make(providers, links, &text, err)) {
        return error_is(err, "mirror") ? error_set(err, ERROR_CONFIG_INVALID,
                                                   "RUNLET_PROVIDER_MIRROR: %s", err->message)
                                       : false;
    }
    workspace->cli_config = xasprintf("%s/terraform.rc", workspace->folder);
    return write_file(workspace->cli_config, buffer_slice(&text), err);
}

static bool fill(struct workspace *workspace, const struct workspace_options *options,
                 struct error *err) {
    const char *kept = options->providers_kept ? WORKSPACE_PARENT : NULL;
    return check_empty(options->root, kept, err) && make_folders(workspace, options, err) &&
           write_profile(workspace, options->path, err) &&
           write_git_config(workspace, options, err) &&
           write_ca_bundle(workspace, options->ca_file, err) &&
           write_cli_config(workspace, options->providers, err);
}

struct workspace *workspace_new(const struct workspace_options *options, struct error *err) {
    struct workspace *workspace = xcalloc(1, sizeof(*workspace));
    if (!fill(workspace, options, err)) {
        workspace_destroyp(&workspace);
        if (!error_is(err, ERROR_WORKSPACE_DIRTY) && !error_is(err, ERROR_CONFIG_INVALID)) {
            error_set(err, ERROR_WORKSPACE_DIRTY, "cannot make a workspace: %s", err->message);
        }
        return NULL;
    }
    return workspace;
}

void workspace_destroyp(struct workspace **pointer) {
    struct workspace *workspace = *pointer;
    if (workspace) {
        free(workspace->folder);
        free(workspace->home);
        free(workspace->tmp);
        free(workspace->builds);
        free(workspace->cache);
        free(workspace->ca_bundle);
        free(workspace->ca_file);
        free(workspace->cli_config);
        free(workspace);
        *pointer = NULL;
    }
}

// --- Environment ---------------------------------------------------------------------------------

const char *workspace_folder(const struct workspace *workspace) {
    return workspace->folder;
}

const char *workspace_builds(const struct workspace *workspace) {
    return workspace->builds;
}

const char *workspace_cache(const struct workspace *workspace) {
    return workspace->cache;
}

const char *workspace_tmp(const struct workspace *workspace) {
    return workspace->tmp;
}

void workspace_set_environment(const struct workspace *workspace, struct environment *environment) {
    environment_set_text(environment, "HOME", workspace->home);
    environment_set_text(environment, "TMPDIR", workspace->tmp);
    if (workspace->cli_config) {
        environment_set_text(environment, "TF_CLI_CONFIG_FILE", workspace->cli_config);
    }
    if (workspace->ca_bundle) {
        environment_set_text(environment, "GIT_SSL_CAINFO", workspace->ca_bundle);
        environment_set_text(environment, "SSL_CERT_FILE", workspace->ca_bundle);
        environment_set_text(environment, "CI_SERVER_TLS_CA_FILE", workspace->ca_file);
    }
}
