// SPDX-License-Identifier: Apache-2.0
/// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
#include "common/aws/s3.h"

#include "common/array.h"
#include "common/aws/sign.h"
#include "common/encoding.h"

enum { STALL_TIMEOUT_MS = 20000 };

// --- The place ---------------------------------------------------------------------------------

bool aws_s3_url(const struct aws_client *aws, const struct aws_s3_object *object,
                struct buffer *out, struct error *err) {
    const struct aws_endpoint *endpoint = aws_client_endpoint(aws);
    cleanup_buffer struct buffer url = BUFFER_INIT(AWS_LONGEST_URL);
    if (!aws_endpoint_url(endpoint, "s3", "S3", &url, err)) {
        return false;
    }
    struct slice base = buffer_slice(&url);
    while (slice_ends_with(base, SLICE("/"))) {
        base.len--;
    }
    if (aws_endpoint_is_configured(endpoint, "S3") || strchr(object->bucket, '.')) {
        buffer_append(out, base);
        buffer_appendf(out, "/%s/", object->bucket);
    } else {
        const struct slice host = slice_skip(base, sizeof("https://") - 1);
        buffer_appendf(out, "https://%s.%" SLICE_FORMAT "/", object->bucket, SLICE_ARGUMENTS(host));
    }
    encoding_append_percent(out, slice_text(object->key), "/");
    return buffer_check(out, "URL of the object", err);
}

// --- The requests ------------------------------------------------------------------------------

static struct aws_sign sign_of(const struct aws_client *aws,
                               const struct aws_credentials *credentials, const char *method,
                               const char *url) {
    return (struct aws_sign){
        .credentials = credentials,
        .service = "s3",
        .region = aws_client_endpoint(aws)->region,
        .now_ms = aws_client_now_ms(aws),
        .method = method,
        .url = url,
    };
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

bool aws_s3_download(const struct aws_client *aws, const struct aws_credentials *credentials,
                     const struct aws_s3_object *object, const struct http_download *download,
                     int64_t deadline_ms, struct error *err) {
    cleanup_buffer struct buffer url = BUFFER_INIT(AWS_LONGEST_URL);
    if (!aws_s3_url(aws, object, &url, err)) {
        return false;
    }
    const struct aws_sign sign = sign_of(aws, credentials, "GET", buffer_text(&url));
    cleanup_aws_signed_headers struct aws_signed_headers headers;
    if (!aws_sign_headers(&sign, &headers, err)) {
        return false;
    }
    const struct http_request request = {
        .method = sign.method,
        .url = sign.url,
        .headers = headers.items,
        .header_count = headers.count,
        .connect_timeout_ms = AWS_CONNECT_TIMEOUT_MS,
        .stall_timeout_ms = STALL_TIMEOUT_MS,
        .deadline_ms = deadline_ms,
    };
    const struct http_retry retry = {
        .attempts = 5, .base_ms = 200, .cap_ms = 5000, .retry_after_cap_ms = 10000};
    int status = 0;
    struct http_download with_status = *download;
    with_status.status = &status;
    return http_download(aws_client_http(aws), &request, &retry, &with_status, err) ||
           explain(status, err);
}

struct secret *aws_s3_presigned_url(const struct aws_client *aws,
                                    const struct aws_credentials *credentials,
                                    const struct aws_s3_presign *presign, struct error *err) {
    cleanup_buffer struct buffer url = BUFFER_INIT(AWS_LONGEST_URL);
    if (!aws_s3_url(aws, &presign->object, &url, err)) {
        return NULL;
    }
    if (presign->query) {
        buffer_appendf(&url, "?%s", presign->query);
    }
    struct aws_sign sign = sign_of(aws, credentials, presign->method, buffer_text(&url));
    sign.headers = presign->headers;
    sign.header_count = presign->header_count;
    return buffer_check(&url, "URL of the object", err) ? aws_sign_url(&sign, presign->seconds, err)
                                                        : NULL;
}
