// SPDX-License-Identifier: Apache-2.0
/// The profiles of the shared files: where the files are, and which profile is chosen.
#pragma once

#include <stdbool.h>

#include "common/aws/chain/config_file.h"
#include "common/buffer.h"
#include "common/error.h"

/// One profile in both files; either part may be NULL.
struct profile {
    const char *name;
    const struct config_section *config;
    const struct config_section *shared;
};

/// Owns its parts but the chosen one's name.
struct profiles {
    char *config_path;
    char *shared_path;
    struct config_file config;
    struct config_file shared;
    struct profile chosen;
    /// The program named it.
    bool is_explicit;
    /// It did, or a variable names it.
    bool is_named;
};

/// Reads both files and chooses the profile: `name`, or with NULL the environment's, else
/// "default". A file that is left out since it is closed to us is noted in `closed`. `profiles` is
/// initialised here and to be cleaned up, on failure too. Fails with "config" or "profile".
bool profiles_read(struct profiles *profiles, const char *name, struct buffer *closed,
                   struct error *err);
void profiles_clean_up(struct profiles *profiles);

/// False where neither file has it.
bool profile_find(const struct profiles *profiles, const char *name, struct profile *profile);
/// The value: the credentials file's before the config file's. NULL where there is none, or it is
/// empty.
const char *profile_get(const struct profile *profile, const char *key);
/// It is "true" in any case of letters.
bool profile_is_true(const struct profile *profile, const char *key);
/// A path with "$NAME" and "${NAME}" replaced by what is set, and a leading "~/" by the home
/// folder, the root where there is none; to be released with free().
char *profile_expand_path(const char *path);
