// SPDX-License-Identifier: Apache-2.0
/// GetObject.
/// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
#include "common/aws/s3.h"

#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/client.h"
#include "common/aws/sigv4.h"
#include "common/cleanup.h"
#include "common/encoding.h"

enum {
    LONGEST_URL = 8192,
    CONNECT_TIMEOUT_MS = 5000,
    STALL_TIMEOUT_MS = 20000,
    MOST_HEADERS = 6,
};

// --- Where it is -------------------------------------------------------------------------------

bool aws_s3_url(const struct aws_client *aws, const struct aws_s3_object *object,
                struct buffer *out, struct error *err) {
    const struct aws_request request = {.service = "s3", .endpoint_id = "S3"};
    cleanup_buffer struct buffer endpoint = BUFFER_INIT(LONGEST_URL);
    if (!aws_endpoint_url(aws, &request, &endpoint, err)) {
        return false;
    }
    struct slice base = buffer_slice(&endpoint);
    while (slice_ends_with(base, SLICE("/"))) {
        base.len--;
    }
    if (aws_endpoint_is_configured(aws, "S3") || strchr(object->bucket, '.')) {
        buffer_append(out, base);
        buffer_appendf(out, "/%s/", object->bucket);
    } else {
        const struct slice host = slice_skip(base, sizeof("https://") - 1);
        buffer_appendf(out, "https://%s.%" SLICE_FORMAT "/", object->bucket, SLICE_ARGUMENTS(host));
    }
    encoding_append_percent(out, slice_text(object->key), "/");
    return buffer_check(out, "URL of the object", err);
}

/// Takes "https://HOST/PATH" apart.
static void split_url(const char *url, struct slice *host, struct slice *path) {
    struct slice rest = slice_text(url);
    for (int slashes = 0; slashes < 2; slashes++) {
        rest = slice_skip(rest, slice_find(rest, '/') + 1);
    }
    const size_t length = slice_find(rest, '/');
    *host = slice_make(rest.data, length);
    *path = slice_skip(rest, length);
}

// --- Getting it ----------------------------------------------------------------------------------

struct headers {
    struct http_header items[MOST_HEADERS];
    size_t count;
};

static void add(struct headers *headers, struct slice name, struct slice value) {
    headers->items[headers->count++] = (struct http_header){name, value};
}

static struct slice expose(const struct secret *secret) {
    return secret ? secret_expose(secret) : SLICE("");
}

/// Signs a GET of the URL and adds what the signature needs.
static bool sign(const char *url, const struct aws_credentials *credentials, const char *region,
                 struct headers *headers, struct sigv4_signature *signature, struct error *err) {
    struct slice host;
    struct slice path;
    split_url(url, &host, &path);
    const struct http_header host_header = {SLICE("Host"), host};
    const struct sigv4_request request = {
        .method = SLICE("GET"),
        .path = path,
        .headers = &host_header,
        .header_count = 1,
    };
    const struct sigv4_options options = {
        .access_key = slice_text(credentials->access_key),
        .secret_key = expose(credentials->secret_key),
        .session_token = expose(credentials->session_token),
        .region = slice_text(region),
        .service = SLICE("s3"),
        .timestamp_ms = clock_now_ms(clock_system()),
        .sign_body = true,
    };
    if (!sigv4_sign(&request, &options, signature, err)) {
        return false;
    }
    add(headers, SLICE("Host"), host);
    add(headers, SLICE("X-Amz-Date"), slice_text(signature->date));
    add(headers, SLICE("X-Amz-Content-Sha256"), slice_text(signature->content_sha256));
    if (options.session_token.len > 0) {
        add(headers, SLICE("X-Amz-Security-Token"), options.session_token);
    }
    add(headers, SLICE("Authorization"), buffer_slice(&signature->authorization));
    return true;
}

/// Gives an answer's status the code that says what it means.
static bool explain(int status, struct error *err) {
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        {401, "AccessDenied"}, {403, "AccessDenied"}, {404, "NotFound"},
        {301, "WrongRegion"},  {307, "WrongRegion"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (error_is(err, "status") && codes[i].status == status) {
            return error_set(err, codes[i].code, "%s", err->message);
        }
    }
    return false;
}

bool aws_s3_download(const struct aws_client *aws, struct http_client *http,
                     const struct aws_credentials *credentials, const struct aws_s3_object *object,
                     const struct http_download *download, int64_t deadline_ms, struct error *err) {
    cleanup_buffer struct buffer url = BUFFER_INIT(LONGEST_URL);
    struct headers headers = {0};
    cleanup_sigv4_signature struct sigv4_signature signature = {0};
    if (!aws_s3_url(aws, object, &url, err) ||
        (credentials && !sign(buffer_text(&url), credentials, aws_client_region(aws), &headers,
                              &signature, err))) {
        return false;
    }
    const struct http_request request = {
        .method = "GET",
        .url = buffer_text(&url),
        .headers = headers.items,
        .header_count = headers.count,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .stall_timeout_ms = STALL_TIMEOUT_MS,
        .deadline_ms = deadline_ms,
    };
    const struct http_retry retry = {
        .attempts = 5, .base_ms = 200, .cap_ms = 5000, .retry_after_cap_ms = 10000};
    int status = 0;
    struct http_download with_status = *download;
    with_status.status = &status;
    return http_download(http, &request, &retry, &with_status, err) || explain(status, err);
}
