// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/runner_token.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

#include "bootstrap/runtime/error_types.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/secrets.h"
#include "common/cleanup.h"
#include "common/json.h"

enum { LONGEST_TOKEN = 512 };

struct token_source {
    token_read *read;
    void *context;
    /// Of a source that token_source_at() made.
    struct token_place at;
    /// How messages name it.
    char *place;
    /// Held while the token is read, too: one thread asks, the others get what it was told.
    pthread_mutex_t lock;
    struct secret *token;
};

// --- Short form ----------------------------------------------------------------------------------

/// "GR" and seven hexadecimal digits: the registration tokens of old.
static bool has_old_prefix(struct slice token) {
    bool good = token.len > 9 && slice_starts_with(token, SLICE("GR"));
    for (size_t i = 2; good && i < 9; i++) {
        good = isxdigit((unsigned char)token.data[i]) != 0;
    }
    return good;
}

/// As in "glrt-t1_": the partition of GitLab's database that the runner is in.
static bool has_partition(struct slice token) {
    return token.len > 3 && token.data[0] == 't' && token.data[1] >= '1' && token.data[1] <= '3' &&
           token.data[2] == '_';
}

static struct slice without_prefixes(struct slice token) {
    static const char *const prefixes[] = {"glrt-", "glrtr-", "glcbt-"};
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        const struct slice prefix = slice_text(prefixes[i]);
        if (slice_starts_with(token, prefix)) {
            token = slice_skip(token, prefix.len);
        }
    }
    token = has_partition(token) ? slice_skip(token, 3) : token;
    return has_old_prefix(token) ? slice_skip(token, 9) : token;
}

struct slice runner_token_short_form(struct slice token) {
    // GitLab's own tokens have 20 characters and more after their prefix.
    enum { SHORT = 9, LEAST = 20 };
    const struct slice rest = without_prefixes(token);
    const struct slice form = slice_make(rest.data, rest.len < LEAST ? 0 : SHORT);
    return slice_is_word(form, "_-.") ? form : slice_make(rest.data, 0);
}

// --- Source --------------------------------------------------------------------------------------

static bool fail(struct error *err, const char *what) {
    return error_set(err, ERROR_TOKEN_UNAVAILABLE, "%s", what);
}

// --- Stored text ---------------------------------------------------------------------------------

static struct secret *token_from_text(struct slice text, struct error *err) {
    if (text.len == 0) {
        fail(err, "it is empty");
        return NULL;
    }
    if (text.len > LONGEST_TOKEN) {
        fail(err, "it is too long for a runner token");
        return NULL;
    }
    if (!slice_is_visible(text)) {
        fail(err, "it holds characters that a runner token cannot have");
        return NULL;
    }
    return secret_new(text);
}

static struct secret *token_from_json(struct slice text, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    struct error reason;
    if (!json_parse(text, "secret", &document, &reason)) {
        // The parser's message may quote what it did not like.
        fail(err, "it begins as a JSON object but is not valid JSON");
        return NULL;
    }
    struct slice value;
    if (!json_get_string(&document.root, "token", &value, &reason)) {
        fail(err, "its JSON object does not have a string `token`");
        return NULL;
    }
    return token_from_text(slice_trim(value), err);
}

/// Takes the token out of what was stored: the string itself, blanks around it left out, or a JSON
/// object with `token`. NULL where there is none, or it cannot be a token: empty, over 512 bytes,
/// or with other characters than visible ASCII. Messages never show any of it.
static struct secret *parse(struct slice stored, struct error *err) {
    struct slice text = slice_trim(stored);
    return slice_starts_with(text, SLICE("{")) ? token_from_json(text, err)
                                               : token_from_text(text, err);
}

// --- Place ---------------------------------------------------------------------------------------

static struct secret *read_from_aws(void *context, int64_t deadline_ms, struct error *err) {
    const struct token_place *at = context;
    cleanup_function_aws_call struct function_aws_call call = {0};
    if (!function_aws_begin(at->aws, 0, &call, err)) {
        return NULL;
    }
    return at->secret_arn ? aws_secrets_get_value(call.client, call.credentials, at->secret_arn,
                                                  deadline_ms, err)
                          : aws_ssm_get_parameter(call.client, call.credentials, at->parameter,
                                                  deadline_ms, err);
}

static struct secret *read_from_environment(void *context, int64_t deadline_ms, struct error *err) {
    const struct token_place *at = context;
    (void)deadline_ms;
    (void)err;
    return secret_new(secret_expose(at->token));
}

static char *name_place(const struct token_place *at) {
    if (at->token) {
        return xstrdup("CI_SERVER_TOKEN");
    }
    return at->secret_arn ? xasprintf("the secret %s", at->secret_arn)
                          : xasprintf("the parameter %s", at->parameter);
}

struct token_source *token_source_at(const struct token_place *place) {
    cleanup_free char *name = name_place(place);
    struct token_source *source =
        token_source_new(place->token ? read_from_environment : read_from_aws, NULL, name);
    source->at = *place;
    source->context = &source->at;
    return source;
}

// --- Source --------------------------------------------------------------------------------------

struct token_source *token_source_new(token_read *read, void *context, const char *place) {
    struct token_source *source = xcalloc(1, sizeof(*source));
    source->read = read;
    source->context = context;
    source->place = xstrdup(place);
    pthread_mutex_init(&source->lock, NULL);
    return source;
}

void token_source_destroy(struct token_source *source) {
    if (source) {
        secret_destroy(source->token);
        pthread_mutex_destroy(&source->lock);
        free(source->place);
        free(source);
    }
}

void token_source_destroyp(struct token_source **source) {
    token_source_destroy(*source);
}

/// Called with the lock held. Replaces the copy; on failure the old one is kept.
static bool read_token(struct token_source *source, int64_t deadline_ms, struct error *err) {
    cleanup_secret struct secret *stored = source->read(source->context, deadline_ms, err);
    if (!stored) {
        struct error reason = *err;
        return error_set(err, ERROR_TOKEN_UNAVAILABLE,
                         "cannot read the runner token from %s: %s: %s", source->place, reason.code,
                         reason.message);
    }
    struct secret *token = parse(secret_expose(stored), err);
    if (!token) {
        return error_prefix(err, "cannot take the runner token from %s", source->place);
    }
    secret_destroy(source->token);
    source->token = token;
    return true;
}

struct secret *token_source_get(struct token_source *source, int64_t deadline_ms,
                                struct error *err) {
    pthread_mutex_lock(&source->lock);
    struct secret *copy = NULL;
    if (source->token || read_token(source, deadline_ms, err)) {
        copy = secret_new(secret_expose(source->token));
    }
    pthread_mutex_unlock(&source->lock);
    return copy;
}

struct secret *token_source_refresh(struct token_source *source, const struct secret *refused,
                                    int64_t deadline_ms, struct error *err) {
    pthread_mutex_lock(&source->lock);
    bool newer = source->token && !secret_equals(refused, secret_expose(source->token));
    struct secret *copy = NULL;
    if (newer || read_token(source, deadline_ms, err)) {
        copy = secret_new(secret_expose(source->token));
    }
    pthread_mutex_unlock(&source->lock);
    return copy;
}
