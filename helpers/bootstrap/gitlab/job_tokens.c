// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/job_tokens.h"

#include <stdlib.h>

#include "bootstrap/gitlab/jwt.h"
#include "common/alloc.h"

enum { LONGEST_NAME = 255 };

bool job_tokens_is_name(struct slice text) {
    return text.len > 0 && text.len <= LONGEST_NAME && slice_is_word(text, "_") &&
           !(text.data[0] >= '0' && text.data[0] <= '9');
}

void job_tokens_add(struct job_tokens *tokens, const struct json *variable) {
    struct error not_one;
    struct slice name;
    struct slice value;
    if (tokens->count == JOB_MOST_TOKENS || !json_as_object(variable, &not_one) ||
        !json_get_string(variable, "key", &name, &not_one) ||
        !json_get_string(variable, "value", &value, &not_one) || !job_tokens_is_name(name) ||
        !jwt_has_shape(value)) {
        return;
    }
    if (!tokens->list) {
        tokens->list = xcalloc(JOB_MOST_TOKENS, sizeof(*tokens->list));
    }
    tokens->list[tokens->count++] =
        (struct job_token){.name = slice_copy(name), .value = secret_new(value)};
}

void job_tokens_clean_up(struct job_tokens *tokens) {
    for (size_t i = 0; i < tokens->count; i++) {
        free(tokens->list[i].name);
        secret_destroy(tokens->list[i].value);
    }
    free(tokens->list);
    *tokens = (struct job_tokens){0};
}

const struct secret *job_tokens_find(const struct job_tokens *tokens, const char *name) {
    for (size_t i = tokens->count; i > 0; i--) {
        if (strcmp(tokens->list[i - 1].name, name) == 0) {
            return tokens->list[i - 1].value;
        }
    }
    return NULL;
}
