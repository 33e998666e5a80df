// SPDX-License-Identifier: Apache-2.0
/// The accounts that jobs deploy to: the module's `accounts` map, as RUNLET_ACCOUNTS_PARAMETER
/// holds it, and the AWS_CONFIG_FILE with a profile for each.
///
///     {"prod": {"role_arn": "arn:aws:iam::123456789012:role/deploy", "external_id": "...",
///               "region": "eu-central-1", "duration_seconds": 900, "session_name": "...",
///               "id_token": "AWS_ID_TOKEN"}}
///
/// No I/O. Whatever is in an account that was read can stand on a line of a configuration file: no
/// line ends, blanks or comments.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"

enum { ACCOUNTS_MOST = 200 };

/// What was not given is NULL or 0.
struct account {
    /// Of the profile.
    char *name;
    char *role_arn;
    char *external_id;
    char *region;
    int64_t duration_seconds;
    char *session_name;
    /// The variable with the token by which the role is assumed; NULL: over the job's own
    /// credentials.
    char *id_token;
};

struct accounts {
    struct account *list;
    size_t count;
};
#define cleanup_accounts __attribute__((cleanup(accounts_clean_up)))

/// Reads the map into the zeroed `accounts`, which the caller cleans up in any case. Fails with the
/// code "form" and a message such as "accounts.prod.region is "x y": ...; it must be ...".
bool accounts_parse(struct slice text, struct accounts *accounts, struct error *err);
void accounts_clean_up(struct accounts *accounts);

/// What profiles have from the job; all borrowed.
struct accounts_profile {
    /// The function's region, for the default profile and accounts without one; NULL: none.
    const char *region;
    /// "EcsContainer" or "Environment": where the job's own credentials are. NULL: it has none, and
    /// an account without id_token gets no profile.
    const char *credential_source;
    /// For accounts that ask for no other; may be NULL.
    const char *session_name;
    int64_t duration_seconds;
    /// An absolute path: where the tokens are, in files of their variables' names.
    const char *token_folder;
};

/// Appends the configuration file.
bool accounts_print(const struct accounts *accounts, const struct accounts_profile *profile,
                    struct buffer *out, struct error *err);

/// Tells whether an account has another region than this one.
bool accounts_have_other_region(const struct accounts *accounts, const char *region);
