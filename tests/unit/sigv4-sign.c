// SPDX-License-Identifier: Apache-2.0
/// Signs one request, for tests of the signer against others: a JSON object on stdin, one on
/// stdout.
///
/// In: method, path, query, headers [[name, value], ...], body or body_base64, access_key,
/// secret_key, token, region, service, timestamp (ISO 8601), normalize, sign_body,
/// omit_session_token. Out: canonical_request, string_to_sign, authorization.
/// With "seconds", and "unsigned_payload", it presigns: "query" comes out instead of the last.
/// Exit status 1, with the reason on stderr, for what cannot be signed.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/aws/sigv4.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/json.h"
#include "common/system/files.h"
#include "common/timestamp.h"

enum { LARGEST_INPUT = 64 * 1024 * 1024 };

static bool get_text(const struct json *input, const char *key, struct slice *value,
                     struct error *err) {
    *value = SLICE("");
    return !json_has(input, key) || json_get_string(input, key, value, err);
}

static bool get_flag(const struct json *input, const char *key, bool fallback, bool *value,
                     struct error *err) {
    *value = fallback;
    return !json_has(input, key) || json_get_boolean(input, key, value, err);
}

static bool get_header(const struct json *pair, struct http_header *header, struct error *err) {
    struct slice *const parts[] = {&header->name, &header->value};
    size_t count = 0;
    struct json_iterator it = {0};
    if (!json_as_array(pair, err)) {
        return false;
    }
    while (json_each(pair, &it)) {
        if (count == 2) {
            return error_set(err, "json", "%s: expected [name, value]", pair->path);
        }
        if (!json_as_string(&it.value, parts[count++], err)) {
            return false;
        }
    }
    return count == 2 || error_set(err, "json", "%s: expected [name, value]", pair->path);
}

static struct http_header *get_headers(const struct json *input, size_t *count, struct error *err) {
    struct json array;
    *count = 0;
    if (!json_get_array(input, "headers", &array, err)) {
        return NULL;
    }
    cleanup_free struct http_header *headers =
        xcalloc((size_t)cJSON_GetArraySize(array.node) + 1, sizeof(*headers));
    struct json_iterator it = {0};
    while (json_each(&array, &it)) {
        if (!get_header(&it.value, &headers[*count], err)) {
            return NULL;
        }
        (*count)++;
    }
    return steal_pointer(&headers);
}

static bool get_body(const struct json *input, struct buffer *decoded, struct slice *body,
                     struct error *err) {
    struct slice text;
    if (!json_has(input, "body_base64")) {
        return get_text(input, "body", body, err);
    }
    if (json_has(input, "body")) {
        return error_set(err, "json", "input: body or body_base64, not both");
    }
    if (!json_get_string(input, "body_base64", &text, err) ||
        !encoding_decode_base64(decoded, text, err)) {
        return error_prefix(err, "input.body_base64");
    }
    *body = buffer_slice(decoded);
    return true;
}

static bool get_options(const struct json *input, struct sigv4_options *options,
                        struct error *err) {
    struct slice timestamp;
    if (!json_get_string(input, "access_key", &options->access_key, err) ||
        !json_get_string(input, "secret_key", &options->secret_key, err) ||
        !get_text(input, "token", &options->session_token, err) ||
        !json_get_string(input, "region", &options->region, err) ||
        !json_get_string(input, "service", &options->service, err) ||
        !json_get_string(input, "timestamp", &timestamp, err) ||
        !get_flag(input, "normalize", true, &options->normalize, err) ||
        !get_flag(input, "sign_body", false, &options->sign_body, err) ||
        !get_flag(input, "omit_session_token", false, &options->omit_session_token, err) ||
        !get_flag(input, "unsigned_payload", false, &options->unsigned_payload, err)) {
        return false;
    }
    return timestamp_parse(timestamp, &options->timestamp_ms) ||
           error_set(err, "json", "input.timestamp: expected an ISO 8601 time");
}

static bool print(const struct sigv4_signature *signature, struct error *err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(LARGEST_INPUT);
    buffer_append_text(&out, "{\"canonical_request\":");
    json_append_string(&out, buffer_slice(&signature->canonical_request));
    buffer_append_text(&out, ",\"string_to_sign\":");
    json_append_string(&out, buffer_slice(&signature->string_to_sign));
    const bool presigned = signature->query.len > 0;
    buffer_appendf(&out, ",\"%s\":", presigned ? "query" : "authorization");
    json_append_string(&out,
                       buffer_slice(presigned ? &signature->query : &signature->authorization));
    buffer_append_text(&out, "}\n");
    return buffer_check(&out, "output", err) &&
           files_write_fd(STDOUT_FILENO, "stdout", buffer_slice(&out), err);
}

static bool run(struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_INPUT);
    cleanup_json_document struct json_document input = {0};
    if (!files_read_fd(STDIN_FILENO, "stdin", &text, err) ||
        !json_parse(buffer_slice(&text), "input", &input, err)) {
        return false;
    }
    struct sigv4_request request = {0};
    struct sigv4_options options = {0};
    cleanup_buffer struct buffer decoded = BUFFER_INIT(LARGEST_INPUT);
    cleanup_free struct http_header *headers = get_headers(&input.root, &request.header_count, err);
    if (headers == NULL || !json_get_string(&input.root, "method", &request.method, err) ||
        !json_get_string(&input.root, "path", &request.path, err) ||
        !get_text(&input.root, "query", &request.query, err) ||
        !get_body(&input.root, &decoded, &request.body, err) ||
        !get_options(&input.root, &options, err)) {
        return false;
    }
    request.headers = headers;
    int64_t seconds = 0;
    const bool presigned = json_has(&input.root, "seconds");
    if (presigned && !json_get_integer(&input.root, "seconds", &seconds, err)) {
        return false;
    }
    cleanup_sigv4_signature struct sigv4_signature signature = {0};
    return (presigned ? sigv4_presign(&request, &options, seconds, &signature, err)
                      : sigv4_sign(&request, &options, &signature, err)) &&
           print(&signature, err);
}

int main(void) {
    struct error err;
    if (!run(&err)) {
        (void)fprintf(stderr, "sigv4-sign: %s\n", err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
