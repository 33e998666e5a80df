// SPDX-License-Identifier: Apache-2.0
#include "common/aws/secrets.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/json.h"

enum {
    LARGEST_VALUE = 64 * 1024,
    LARGEST_VALUE_REQUEST = 16 * 1024,
    LARGEST_BASE64 = (LARGEST_VALUE + 2) / 3 * 4,
    /// A value in JSON, each byte of which may be escaped, and what stands around it.
    LARGEST_VALUE_ANSWER = 6 * LARGEST_VALUE + 16 * 1024,
};

/// The region of "arn:aws:secretsmanager:eu-central-1:...", to be released with free(); NULL where
/// it is no ARN.
static char *region_of(const char *id) {
    struct slice rest = slice_text(id);
    struct slice part;
    if (!slice_starts_with(rest, SLICE("arn:"))) {
        return NULL;
    }
    for (int field = 0; slice_split(&rest, ':', &part); field++) {
        if (field == 3) {
            return part.len > 0 ? slice_copy(part) : NULL;
        }
    }
    return NULL;
}

static struct secret *get_string(const struct json *object, const char *key, size_t max,
                                 struct error *err) {
    struct json value;
    struct slice text;
    if (!json_get(object, key, &value, err) || !json_as_string(&value, &text, err)) {
        return NULL;
    }
    if (text.len > max) {
        error_set(err, "too_large", "%s: larger than %zu bytes", value.path, max);
        return NULL;
    }
    return secret_new(text);
}

static struct secret *decode_base64(struct secret *encoded, struct error *err) {
    cleanup_buffer struct buffer bytes = BUFFER_INIT_SENSITIVE(LARGEST_VALUE);
    const bool decoded = encoding_decode_base64(&bytes, secret_expose(encoded), err);
    secret_destroy(encoded);
    return decoded ? secret_take(&bytes) : NULL;
}

/// Sends `body` to a service of the JSON protocol and parses what it answers.
static bool ask(struct aws_client *client, struct aws_request *request, const struct buffer *body,
                int64_t deadline_ms, struct json_document *answer, struct error *err) {
    request->protocol = AWS_JSON_1_1;
    request->body = buffer_slice(body);
    cleanup_http_response struct http_response response;
    http_response_init(&response, LARGEST_VALUE_ANSWER);
    response.body.sensitive = true;
    const char *operation = strchr(request->target, '.') + 1;
    return buffer_check(body, "request", err) &&
           aws_call(client, request, &response, deadline_ms, err) &&
           json_parse(buffer_slice(&response.body), operation, answer, err);
}

struct secret *aws_secrets_get_value(struct aws_client *client,
                                     const struct aws_credentials *credentials, const char *id,
                                     int64_t deadline_ms, struct error *err) {
    cleanup_free char *region = region_of(id);
    cleanup_buffer struct buffer body = BUFFER_INIT(LARGEST_VALUE_REQUEST);
    buffer_append_byte(&body, '{');
    json_append_member(&body, "SecretId", slice_text(id));
    buffer_append_byte(&body, '}');
    struct aws_request request = {
        .service = "secretsmanager",
        .endpoint_id = "SECRETS_MANAGER",
        .target = "secretsmanager.GetSecretValue",
        .region = region,
        .credentials = credentials,
    };
    cleanup_json_document struct json_document answer = {0};
    if (!ask(client, &request, &body, deadline_ms, &answer, err)) {
        return NULL;
    }
    if (json_has(&answer.root, "SecretString")) {
        return get_string(&answer.root, "SecretString", LARGEST_VALUE, err);
    }
    struct secret *encoded = get_string(&answer.root, "SecretBinary", LARGEST_BASE64, err);
    return encoded ? decode_base64(encoded, err) : NULL;
}

struct secret *aws_ssm_get_parameter(struct aws_client *client,
                                     const struct aws_credentials *credentials, const char *name,
                                     int64_t deadline_ms, struct error *err) {
    cleanup_free char *region = region_of(name);
    cleanup_buffer struct buffer body = BUFFER_INIT(LARGEST_VALUE_REQUEST);
    buffer_append_byte(&body, '{');
    json_append_member(&body, "Name", slice_text(name));
    buffer_append_text(&body, ",\"WithDecryption\":true}");
    struct aws_request request = {
        .service = "ssm",
        .endpoint_id = "SSM",
        .target = "AmazonSSM.GetParameter",
        .region = region,
        .credentials = credentials,
    };
    cleanup_json_document struct json_document answer = {0};
    struct json parameter;
    if (!ask(client, &request, &body, deadline_ms, &answer, err) ||
        !json_get_object(&answer.root, "Parameter", &parameter, err)) {
        return NULL;
    }
    return get_string(&parameter, "Value", LARGEST_VALUE, err);
}
