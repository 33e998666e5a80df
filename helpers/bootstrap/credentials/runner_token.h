// SPDX-License-Identifier: Apache-2.0
/// The runner token: where it comes from, and the copy that is kept of it.
///
/// The copy outlives an invocation; token_source_refresh() reads it anew when GitLab does not take
/// it any more. All functions may be called from several threads at a time. Failures have the code
/// "Runtime.TokenUnavailable" and a message that names the place, never the content.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/function_aws.h"
#include "common/error.h"
#include "common/secret.h"
#include "common/slice.h"

/// The part of a token that GitLab itself shows of a runner: up to nine characters after the
/// prefixes, within `token`. gitlab-runner makes CI_RUNNER_SHORT_TOKEN, and the runner's part of a
/// cache's key, of it (helpers/shorten_token.go). Empty where it would be much of a token, or is no
/// plain word.
struct slice runner_token_short_form(struct slice token);

/// Reads what holds the token; NULL on failure. `deadline_ms` is Unix epoch, 0: none.
typedef struct secret *token_read(void *context, int64_t deadline_ms, struct error *err);

struct token_source;
#define cleanup_token_source __attribute__((cleanup(token_source_destroyp)))

/// A source that calls `read`; `place` (copied) is how messages name it.
struct token_source *token_source_new(token_read *read, void *context, const char *place)
    __attribute__((returns_nonnull));

/// Where the token is: one of the three; all borrowed for the source's life.
struct token_place {
    /// A secret of Secrets Manager.
    const char *secret_arn;
    /// A parameter of the SSM Parameter Store.
    const char *parameter;
    /// CI_SERVER_TOKEN: the token itself.
    const struct secret *token;
    /// For the first two.
    struct function_aws *aws;
};
/// A source that reads it from there. Nothing is read yet.
struct token_source *token_source_at(const struct token_place *place)
    __attribute__((returns_nonnull));

/// Wipes the copy; NULL is fine.
void token_source_destroy(struct token_source *source);
void token_source_destroyp(struct token_source **source);

/// A copy of the token, to be released with secret_destroy(); reads it the first time. NULL on
/// failure, which is not remembered.
struct secret *token_source_get(struct token_source *source, int64_t deadline_ms,
                                struct error *err);
/// The same, but read anew where the copy is still `refused`, the token that GitLab did not take.
struct secret *token_source_refresh(struct token_source *source, const struct secret *refused,
                                    int64_t deadline_ms, struct error *err);
