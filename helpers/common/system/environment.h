// SPDX-License-Identifier: Apache-2.0
/// The environment: our own, read; and one of a process that is to be started, built name by name.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/slice.h"

/// Our own process's variable; NULL where it is not set or empty, which the AWS SDKs take for the
/// same. Valid until the environment is changed.
const char *environment_value(const char *name);
/// It is "true" in any case of letters, as the AWS SDKs read it.
bool environment_is_true(const char *name);
/// Where our programs keep what they may lose: $XDG_CACHE_HOME/runlet, else ~/.cache/runlet, to be
/// released with free(). NULL where neither folder is absolute, as the XDG specification has others
/// ignored. It need not exist.
char *environment_cache_folder(void);

/// Zeroed is empty. Its texts are wiped when they are replaced or released.
struct environment {
    /// "NAME=value" texts, ended by NULL once there is one; for execve use environment_array().
    char **entries;
    size_t count;
};
#define cleanup_environment __attribute__((cleanup(environment_clean_up)))

void environment_clean_up(struct environment *environment);
/// Sets or replaces. The name must not be empty or contain '=' (that is a programmer's mistake and
/// aborts); a value ends at its first NUL.
void environment_set(struct environment *environment, const char *name, struct slice value);
void environment_set_text(struct environment *environment, const char *name, const char *value);
void environment_unset(struct environment *environment, const char *name);
/// The value, or NULL; valid until the environment changes.
const char *environment_get(const struct environment *environment, const char *name);
/// Takes over those of `names` (ended by NULL) that our own process has; a name that ends in '*'
/// stands for all that begin so.
void environment_inherit(struct environment *environment, const char *const *names);
/// For execve: ended by NULL, valid until the environment changes.
char *const *environment_array(const struct environment *environment);
