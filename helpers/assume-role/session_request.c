// SPDX-License-Identifier: Apache-2.0
#include "assume-role/session_request.h"

#include "assume-role/session_cache.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/system/digest.h"

static const size_t LARGEST_KEY_TEXT = (size_t)8 << 20;
/// Time that is left for a call of our own when somebody else's took too long.
enum { CALL_MS = 20 * 1000 };

/// With its length in front, so that two lists of texts never become one.
static void append_field(struct buffer *out, struct slice text) {
    buffer_appendf(out, "%zu:", text.len);
    buffer_append(out, text);
}

static void append_role(struct buffer *out, const struct sts_assume *assume) {
    const char *const texts[] = {assume->role_arn, assume->session_name, assume->external_id,
                                 assume->policy, assume->source_identity};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        append_field(out, slice_text(texts[i]));
    }
    append_field(out, secret_expose(assume->web_identity_token));
    buffer_appendf(out, "%lld,%zu,%zu,%zu;", (long long)assume->duration_seconds,
                   assume->policy_arn_count, assume->tag_count, assume->transitive_key_count);
    for (size_t i = 0; i < assume->policy_arn_count; i++) {
        append_field(out, slice_text(assume->policy_arns[i]));
    }
    for (size_t i = 0; i < assume->tag_count; i++) {
        append_field(out, slice_text(assume->tags[i].key));
        append_field(out, slice_text(assume->tags[i].value));
    }
    for (size_t i = 0; i < assume->transitive_key_count; i++) {
        append_field(out, slice_text(assume->transitive_keys[i]));
    }
}

static void append_credentials(struct buffer *out, const struct aws_credentials *credentials) {
    append_field(out, slice_text(credentials->access_key));
    append_field(out, secret_expose(credentials->secret_key));
    append_field(out, secret_expose(credentials->session_token));
}

/// The hash of all that makes one request differ from another.
static bool make_key(const struct session_request *request, char key[DIGEST_HEX_SIZE],
                     struct error *err) {
    static const struct aws_credentials none = {0};
    cleanup_buffer struct buffer url = BUFFER_INIT(AWS_LONGEST_URL);
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_KEY_TEXT);
    const struct aws_endpoint *endpoint = aws_client_endpoint(request->client);
    if (!aws_endpoint_url(endpoint, "sts", "STS", &url, err)) {
        return false;
    }
    append_field(&text, buffer_slice(&url));
    append_field(&text, slice_text(endpoint->region));
    const struct sts_assume *first = &request->roles[0];
    append_credentials(&text, first->web_identity_token ? &none : first->credentials);
    for (size_t i = 0; i < request->role_count; i++) {
        append_role(&text, &request->roles[i]);
    }
    digest_text_hex(buffer_slice(&text), key);
    return buffer_check(&text, "the roles' options", err);
}

bool session_request_send(const struct session_request *request, struct sts_session *session,
                          struct error *err) {
    *session = (struct sts_session){0};
    char key[DIGEST_HEX_SIZE];
    if (!make_key(request, key, err)) {
        return false;
    }
    cleanup_session_cache struct session_cache cache = SESSION_CACHE_INIT;
    struct error uncached;
    if (request->use_cache && !session_cache_open(&cache, key, request->clock, &uncached)) {
        log_debug("not cached", LOG_ERROR_FIELDS(&uncached));
    }
    if (session_cache_get(&cache, request->deadline_ms - CALL_MS, session)) {
        log_debug("taken from the cache", log_text("arn", session->arn));
        return true;
    }
    if (!request->call(request, session, err)) {
        return false;
    }
    const int64_t skew_ms = aws_client_skew_ms(request->client);
    if (!session_cache_put(&cache, session, skew_ms, &uncached)) {
        log_debug("not cached", LOG_ERROR_FIELDS(&uncached));
    }
    return true;
}
