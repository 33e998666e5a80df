// SPDX-License-Identifier: Apache-2.0
/// The Security Token Service: sessions of roles, and who one is.
/// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/calls.h"
#include "common/error.h"
#include "common/secret.h"

enum { STS_SHORTEST_SECONDS = 900 };
/// The most that a chained session (one assumed with another session's keys) may last.
enum { STS_LONGEST_CHAINED_SECONDS = 3600 };
enum { STS_LONGEST_SECONDS = 43200 };
enum { STS_MOST_TAGS = 50 };
/// Of a web identity token; beyond what STS takes, so that sts_check() can say how much that is.
enum { STS_LARGEST_TOKEN_FILE = 64 * 1024 };
/// How long a token's file may take where it is a pipe.
enum { STS_TOKEN_WAIT_MS = 5000 };

struct sts_tag {
    const char *key;
    const char *value;
};

/// One AssumeRole or, with a token, AssumeRoleWithWebIdentity; all borrowed. What is NULL or zero
/// is not sent.
struct sts_assume {
    /// Whose keys sign the call; with a token it goes out unsigned.
    const struct aws_credentials *credentials;
    const char *role_arn;
    const char *session_name;
    const char *external_id;
    int64_t duration_seconds;
    /// An inline session policy, as JSON.
    const char *policy;
    const char *const *policy_arns;
    size_t policy_arn_count;
    const struct sts_tag *tags;
    size_t tag_count;
    const char *const *transitive_keys;
    size_t transitive_key_count;
    const char *source_identity;
    /// An OIDC token. STS then takes no external id, no tags, no
    /// transitive keys and no source identity (they are claims of the token).
    const struct secret *web_identity_token;
};

/// Checks the forms and limits that STS documents (lengths, characters, counts, what cannot go
/// with a token). Fails with the code "form" and a message that names the parameter, what is wrong
/// with it and what it takes.
bool sts_check(const struct sts_assume *assume, struct error *err);

/// What STS gave. Owns its parts.
struct sts_session {
    /// With `expires_ms`.
    struct aws_credentials credentials;
    /// AssumedRoleUser: "arn:aws:sts::123456789012:assumed-role/deploy/job-41" and
    /// "AROA...:job-41".
    char *arn;
    char *id;
};
#define cleanup_sts_session __attribute__((cleanup(sts_session_clean_up)))
void sts_session_clean_up(struct sts_session *session);

/// Assumes the role. `session` is initialised here and to
/// be cleaned up by the caller, on failure too. Answers may be XML or JSON. Fails as aws_call()
/// does (`err->code` is the service's: "AccessDenied", ...), or with the code "answer" where the
/// answer lacks a part. IDPCommunicationError is repeated like a transient failure.
bool sts_assume_role(struct aws_client *client, const struct sts_assume *assume,
                     int64_t deadline_ms, struct sts_session *session, struct error *err);

/// Whom keys belong to. Owns its parts.
struct sts_identity {
    char *account;
    char *arn;
    char *user_id;
};
#define cleanup_sts_identity __attribute__((cleanup(sts_identity_clean_up)))
void sts_identity_clean_up(struct sts_identity *identity);

/// GetCallerIdentity, which needs no right. `identity` is initialised here.
bool sts_get_caller_identity(struct aws_client *client, const struct aws_credentials *credentials,
                             int64_t deadline_ms, struct sts_identity *identity, struct error *err);
