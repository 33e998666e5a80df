// SPDX-License-Identifier: Apache-2.0
/// The keys of an identity.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/secret.h"

/// Owns its parts. Zeroed is none.
struct aws_credentials {
    char *access_key;
    struct secret *secret_key;
    /// NULL where there is none.
    struct secret *session_token;
    /// Unix epoch milliseconds; 0: they do not expire.
    int64_t expires_ms;
};
#define cleanup_aws_credentials __attribute__((cleanup(aws_credentials_clean_up)))
void aws_credentials_clean_up(struct aws_credentials *credentials);

/// A copy of the texts; an empty `session_token` is none.
struct aws_credentials aws_credentials_make(struct slice access_key, struct slice secret_key,
                                            struct slice session_token);
/// Takes AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Fails ("credentials") where
/// they are not set. The environment is left as it is.
bool aws_credentials_from_environment(struct aws_credentials *credentials, struct error *err);
