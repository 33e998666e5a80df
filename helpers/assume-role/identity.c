// SPDX-License-Identifier: Apache-2.0
#include "assume-role/identity.h"

#include "common/json.h"
#include "common/sts.h"
#include "common/timestamp.h"

static void append_text(const struct connection *connection, const struct sts_identity *identity,
                        struct buffer *out) {
    buffer_appendf(out, "%s\naccount %s, user id %s\n", identity->arn, identity->account,
                   identity->user_id);
    const int64_t expires_ms = connection->keys.expires_ms;
    if (expires_ms == 0) {
        buffer_append_text(out, connection->is_session ? "until a time that is not known"
                                                       : "without an end");
    } else {
        const int64_t left_ms = clock_left_ms(connection->clock, expires_ms);
        buffer_appendf(out, "until %s (%lld minutes)", timestamp_rfc3339_seconds(expires_ms).text,
                       (long long)(left_ms / 60000));
    }
    buffer_appendf(out, ", from: %s\n", connection->source);
}

static void append_member(struct buffer *out, const char *name, const char *value) {
    buffer_appendf(out, "\"%s\":", name);
    json_append_string(out, slice_text(value));
    buffer_append_byte(out, ',');
}

static void append_json(const struct connection *connection, const struct sts_identity *identity,
                        struct buffer *out) {
    buffer_append_byte(out, '{');
    append_member(out, "Account", identity->account);
    append_member(out, "Arn", identity->arn);
    append_member(out, "UserId", identity->user_id);
    append_member(out, "Source", connection->source);
    if (connection->keys.expires_ms == 0) {
        buffer_append_text(out, "\"Expiration\":null}\n");
    } else {
        buffer_appendf(out, "\"Expiration\":\"%s\"}\n",
                       timestamp_rfc3339_seconds(connection->keys.expires_ms).text);
    }
}

bool identity_check(struct connection *connection, bool as_json, struct buffer *out,
                    struct error *err) {
    cleanup_sts_identity struct sts_identity identity;
    if (!sts_get_caller_identity(connection->client, connection->deadline_ms, &identity, err)) {
        return false;
    }
    (as_json ? append_json : append_text)(connection, &identity, out);
    return buffer_check(out, "the identity", err);
}
