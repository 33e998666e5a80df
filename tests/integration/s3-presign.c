// SPDX-License-Identifier: Apache-2.0
/// Presigns a request for one object of S3, for tests against botocore: a JSON object on stdin, the
/// URL on stdout, or "<code>: <message>" on stderr.
///
/// In: bucket, key, method, query, headers {name: value}, seconds, timestamp_ms, endpoint (may be
/// empty), and access_key (empty: no credentials), secret_key, token. The region is AWS_REGION.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/aws/s3.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/system/files.h"

enum { LARGEST_INPUT = 1024 * 1024 };

static char *text_of(const struct json *input, const char *key, struct error *err) {
    struct slice text;
    return json_get_string(input, key, &text, err) ? slice_copy(text) : NULL;
}

static bool get_headers(const struct json *input, struct http_header *headers, size_t *count,
                        struct error *err) {
    struct json object;
    struct json_iterator it = {0};
    if (!json_get_object(input, "headers", &object, err)) {
        return false;
    }
    while (json_each(&object, &it) && *count < 8) {
        headers[*count].name = it.key;
        if (!json_as_string(&it.value, &headers[(*count)++].value, err)) {
            return false;
        }
    }
    return true;
}

static bool get_credentials(const struct json *input, struct aws_credentials *credentials,
                            struct error *err) {
    struct slice access_key;
    struct slice secret_key;
    struct slice token;
    if (!json_get_string(input, "access_key", &access_key, err) ||
        !json_get_string(input, "secret_key", &secret_key, err) ||
        !json_get_string(input, "token", &token, err)) {
        return false;
    }
    *credentials = aws_credentials_make(access_key, secret_key, token);
    return true;
}

static bool presign(const struct json *input, struct error *err) {
    cleanup_free char *bucket = text_of(input, "bucket", err);
    cleanup_free char *key = text_of(input, "key", err);
    cleanup_free char *method = text_of(input, "method", err);
    cleanup_free char *query = text_of(input, "query", err);
    cleanup_free char *endpoint = text_of(input, "endpoint", err);
    cleanup_aws_credentials struct aws_credentials credentials = {0};
    struct http_header headers[8];
    struct aws_s3_presign what = {.object = {bucket, key}, .method = method, .headers = headers};
    struct fake_clock clock;
    int64_t now_ms = 0;
    if (bucket == NULL || key == NULL || method == NULL || query == NULL || endpoint == NULL ||
        !get_headers(input, headers, &what.header_count, err) ||
        !get_credentials(input, &credentials, err) ||
        !json_get_integer(input, "seconds", &what.seconds, err) ||
        !json_get_integer(input, "timestamp_ms", &now_ms, err)) {
        return false;
    }
    what.query = query[0] != '\0' ? query : NULL;
    fake_clock_init(&clock, now_ms);
    const struct aws_client_options options = {
        .clock = &clock.clock, .endpoint = {.url = endpoint[0] != '\0' ? endpoint : NULL}};
    cleanup_aws_client struct aws_client *client = aws_client_new(&options, err);
    const bool has_keys = credentials.access_key[0] != '\0';
    cleanup_secret struct secret *url =
        client == NULL ? NULL
                       : aws_s3_presigned_url(client, has_keys ? &credentials : NULL, &what, err);
    return url != NULL && files_write_fd(STDOUT_FILENO, "stdout", secret_expose(url), err);
}

int main(void) {
    struct error err;
    cleanup_buffer struct buffer text = BUFFER_INIT(LARGEST_INPUT);
    cleanup_json_document struct json_document input = {0};
    if (!files_read_fd(STDIN_FILENO, "stdin", &text, &err) ||
        !json_parse(buffer_slice(&text), "input", &input, &err) || !presign(&input.root, &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.code, err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
