// SPDX-License-Identifier: Apache-2.0
#include "assume-role/identity.h"

#include "common/aws/sts.h"
#include "common/json.h"
#include "common/timestamp.h"

static void append_text(const struct connection *connection,
                        const struct aws_credentials *credentials,
                        const struct sts_identity *identity, struct buffer *out) {
    buffer_appendf(out, "%s\naccount %s, user id %s\n", identity->arn, identity->account,
                   identity->user_id);
    const int64_t expires_ms = credentials->expires_ms;
    if (expires_ms == 0) {
        buffer_append_text(out, credentials->session_token ? "until a time that is not known"
                                                           : "without an end");
    } else {
        const int64_t left_ms = clock_left_ms(connection->clock, expires_ms);
        buffer_appendf(out, "until %s (%lld minutes)", timestamp_rfc3339_seconds(expires_ms).text,
                       (long long)(left_ms / 60000));
    }
    buffer_appendf(out, ", from: %s\n", connection->start.source);
}

static void append_json(const struct connection *connection,
                        const struct aws_credentials *credentials,
                        const struct sts_identity *identity, struct buffer *out) {
    buffer_append_byte(out, '{');
    json_append_member(out, "Account", slice_text(identity->account));
    json_append_member(out, "Arn", slice_text(identity->arn));
    json_append_member(out, "UserId", slice_text(identity->user_id));
    json_append_member(out, "Source", slice_text(connection->start.source));
    if (credentials->expires_ms == 0) {
        buffer_append_text(out, ",\"Expiration\":null");
    } else {
        const struct timestamp expires = timestamp_rfc3339_seconds(credentials->expires_ms);
        json_append_member(out, "Expiration", slice_text(expires.text));
    }
    buffer_append_text(out, "}\n");
}

bool identity_check(struct connection *connection, const struct aws_credentials *credentials,
                    bool as_json, struct buffer *out, struct error *err) {
    cleanup_sts_identity struct sts_identity identity;
    if (!sts_get_caller_identity(connection->client, credentials, connection->deadline_ms,
                                 &identity, err)) {
        return false;
    }
    (as_json ? append_json : append_text)(connection, credentials, &identity, out);
    return buffer_check(out, "the identity", err);
}
