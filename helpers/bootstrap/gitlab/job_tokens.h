// SPDX-License-Identifier: Apache-2.0
/// The id_tokens of a job: variables of GitLab's answer whose value is a signed token.
///
/// Anybody who may set a variable of the project can put one of his own here, under any name: these
/// are texts to be verified (id_token.h), or to be handed to somebody who verifies them.
#pragma once

#include <stddef.h>

#include "common/json.h"
#include "common/secret.h"
#include "common/slice.h"

enum { JOB_MOST_TOKENS = 64 };

struct job_token {
    char *name;
    struct secret *value;
};

/// In the order of the answer; of two with one name a script sees the last.
struct job_tokens {
    struct job_token *list;
    size_t count;
};

/// Adds a variable of GitLab's answer to a job request, where it has the shape of a token and the
/// name of a shell variable; of a job the first JOB_MOST_TOKENS. `tokens` is zeroed at first.
void job_tokens_add(struct job_tokens *tokens, const struct json *variable);
void job_tokens_clean_up(struct job_tokens *tokens);

/// The last one of that name, as a script sees it, or NULL. Borrowed.
const struct secret *job_tokens_find(const struct job_tokens *tokens, const char *name);

/// Tells whether the text may be the name of a shell variable.
bool job_tokens_is_name(struct slice text);
