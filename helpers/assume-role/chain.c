// SPDX-License-Identifier: Apache-2.0
#include "assume-role/chain.h"

#include <string.h>

#include "assume-role/hints.h"
#include "assume-role/session_cache.h"
#include "common/buffer.h"
#include "common/encoding.h"
#include "common/log.h"
#include "common/timestamp.h"

#define LARGEST_KEY_TEXT ((size_t)8 << 20)
/// Time that is left for a call of our own when somebody else's took too long.
enum { CALL_MS = 20 * 1000 };

// --- What an answer depends on ----------------------------------------------------------------

/// With its length in front, so that two lists of texts never become one.
static void append_field(struct buffer *out, struct slice text) {
    buffer_appendf(out, "%zu:", text.len);
    buffer_append(out, text);
}

static void append_secret(struct buffer *out, const struct secret *secret) {
    append_field(out, secret != NULL ? secret_expose(secret) : SLICE(""));
}

static void append_hop(struct buffer *out, const struct sts_assume *assume) {
    const char *const texts[] = {assume->role_arn, assume->session_name, assume->external_id,
                                 assume->policy, assume->source_identity};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        append_field(out, slice_text(texts[i]));
    }
    append_secret(out, assume->web_identity_token);
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

/// The hash of all that makes one request differ from another, the keys to start from included.
static bool make_key(const struct connection *connection, const struct hops *hops,
                     char key[SHA256_HEX_SIZE], struct error *err) {
    cleanup_buffer struct buffer endpoint = BUFFER_INIT(8192);
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_KEY_TEXT);
    const struct aws_request request = {.service = "sts", .endpoint_id = "STS"};
    if (!aws_endpoint_url(connection->client, &request, &endpoint, err)) {
        return false;
    }
    append_field(&text, buffer_slice(&endpoint));
    append_field(&text, slice_text(aws_client_region(connection->client)));
    append_field(&text, slice_text(connection->base.credentials.access_key));
    append_secret(&text, connection->base.credentials.secret_key);
    append_secret(&text, connection->base.credentials.session_token);
    for (size_t i = 0; i < hops->count; i++) {
        append_hop(&text, &hops->items[i].assume);
    }
    encoding_sha256_hex(buffer_slice(&text), key);
    return buffer_check(&text, "the roles' options", err);
}

// --- The calls --------------------------------------------------------------------------------

/// Tells whether the keys to start from are an assumed role's, as a user's own sessions are no
/// chain. Where STS does not say, they are not known to be.
static bool starts_from_a_role(struct connection *connection) {
    cleanup_sts_identity struct sts_identity identity = {0};
    struct error ignored;
    return connection->base.is_session &&
           sts_get_caller_identity(connection->client, connection->deadline_ms, &identity,
                                   &ignored) &&
           strstr(identity.arn, ":assumed-role/") != NULL;
}

/// The time to ask for: what STS would refuse to a chained session is cut, and told.
static int64_t duration_of(struct connection *connection, const struct hops *hops, size_t index) {
    const struct sts_assume *assume = &hops->items[index].assume;
    const int64_t wanted = assume->duration_seconds;
    if (wanted <= STS_LONGEST_CHAINED_SECONDS || assume->web_identity_token != NULL ||
        (index == 0 && !starts_from_a_role(connection))) {
        return wanted;
    }
    struct error warning;
    error_set(&warning, "chained",
              "asking for %d seconds instead of %lld: this role is assumed with the session of "
              "another role, and STS ends such sessions after an hour",
              STS_LONGEST_CHAINED_SECONDS, (long long)wanted);
    hops_prefix(hops, index, &warning);
    log_warn(warning.message);
    return STS_LONGEST_CHAINED_SECONDS;
}

static bool assume(struct connection *connection, const struct hops *hops, size_t index,
                   struct sts_session *session, const char **hint, struct error *err) {
    struct sts_assume what = hops->items[index].assume;
    what.duration_seconds = duration_of(connection, hops, index);
    if (!sts_assume_role(connection->client, &what, connection->deadline_ms, session, err)) {
        *hint = hints_for(err, &what);
        return hops_prefix(hops, index, err);
    }
    const struct timestamp until = timestamp_rfc3339_seconds(session->credentials.expires_ms);
    log_debug("assumed a role", log_int("hop", (int64_t)index + 1), log_text("arn", session->arn),
              log_text("until", until.text));
    return true;
}

static bool call(struct connection *connection, const struct hops *hops,
                 struct sts_session *session, const char **hint, struct error *err) {
    for (size_t i = 0; i < hops->count; i++) {
        sts_session_clean_up(session);
        if (!assume(connection, hops, i, session, hint, err)) {
            return false;
        }
        connection_use(connection, &session->credentials);
    }
    return true;
}

bool chain_run(struct connection *connection, const struct hops *hops, bool use_cache,
               struct sts_session *session, const char **hint, struct error *err) {
    *session = (struct sts_session){0};
    *hint = NULL;
    char key[SHA256_HEX_SIZE];
    if (!make_key(connection, hops, key, err)) {
        return false;
    }
    cleanup_session_cache struct session_cache cache = SESSION_CACHE_INIT;
    struct error uncached;
    if (use_cache && !session_cache_open(&cache, key, connection->clock, &uncached)) {
        log_debug("not cached", LOG_ERROR_FIELDS(&uncached));
    }
    if (session_cache_get(&cache, connection->deadline_ms - CALL_MS, session)) {
        log_debug("taken from the cache", log_text("arn", session->arn));
        connection_use(connection, &session->credentials);
        return true;
    }
    if (!call(connection, hops, session, hint, err)) {
        return false;
    }
    if (!session_cache_put(&cache, session, aws_client_skew_ms(connection->client), &uncached)) {
        log_debug("not cached", LOG_ERROR_FIELDS(&uncached));
    }
    return true;
}
