// SPDX-License-Identifier: Apache-2.0
/// What RUNLET_ID_TOKEN, an id_token of the job made for us, says of it.
///
/// GitLab's answer does not tell a pipeline's source, a job's environment or the user's name; a
/// token does, once it is verified: signed (RS256) by a key that GitLab publishes, issued by it,
/// for our audience, still good, and for this very job of this project. Another job's token, or one
/// that a project put into a variable, is none.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/gitlab/gitlab.h"
#include "bootstrap/gitlab/job.h"
#include "common/error.h"
#include "common/slice.h"

/// The variable.
#define ID_TOKEN_NAME "RUNLET_ID_TOKEN"

struct id_token_options {
    /// Borrowed; it also tells the time.
    struct gitlab *gitlab;
    /// CI_SERVER_URL without a final slash; copied.
    const char *server_url;
    /// RUNLET_ID_TOKEN_AUDIENCE; copied.
    const char *audience;
};

/// Keeps GitLab's keys from job to job; may be used from several threads.
struct id_token_verifier;

struct id_token_verifier *id_token_verifier_new(const struct id_token_options *options)
    __attribute__((returns_nonnull));
/// NULL is fine.
void id_token_verifier_destroy(struct id_token_verifier *verifier);

/// What is not in the token is NULL.
struct id_token_claims {
    char *pipeline_source;
    char *environment;
    char *user_login;
};
#define cleanup_id_token_claims __attribute__((cleanup(id_token_claims_clean_up)))
void id_token_claims_clean_up(struct id_token_claims *claims);

/// Verifies one token for the job of this identity, into the zeroed `claims`. Reads GitLab's keys
/// where it has none, where they are an hour old, or where none has the token's id (but not again
/// within a minute), in a few seconds at most, and not beyond the moment that `cancel_fd` is
/// readable (0: none). Fails with the codes of jwt.h, with "claims" where it is not for us or this
/// job, and with "keys" where GitLab's keys cannot be read.
bool id_token_verify(struct id_token_verifier *verifier, struct slice token,
                     const struct job_identity *identity, int cancel_fd,
                     struct id_token_claims *claims, struct error *err);

/// Verifies the job's tokens of that name, of which one has to be good. Where there is one but none
/// is good, the log gets a warning with the reason. False where none is good.
bool id_token_find(struct id_token_verifier *verifier, const struct job *job, int cancel_fd,
                   struct id_token_claims *claims);
