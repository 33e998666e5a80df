// SPDX-License-Identifier: Apache-2.0
#include "common/aws/sign.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "common/alloc.h"

enum {
    /// A token of STS may be long.
    LONGEST_PRESIGNED_URL = 64 * 1024,
    /// Host, date, hash, token and Authorization.
    MOST_OWN_HEADERS = 5,
};

// --- The URL ----------------------------------------------------------------------------------

/// What of a URL stands on the request line.
struct parts {
    struct buffer path;
    struct buffer query;
};

static void parts_clean_up(struct parts *parts) {
    buffer_clean_up(&parts->path);
    buffer_clean_up(&parts->query);
}
#define cleanup_parts __attribute__((cleanup(parts_clean_up)))

static bool append_part(CURLU *url, CURLUPart which, unsigned flags, struct buffer *out) {
    char *text = NULL;
    const bool found = curl_url_get(url, which, &text, flags) == CURLUE_OK;
    buffer_append_text(out, found ? text : "");
    curl_free(text);
    return found;
}

/// Takes the URL apart: the host as libcurl would write it, the path with a slash at least.
static bool split(const char *text, struct buffer *host, struct parts *parts, struct error *err) {
    *parts = (struct parts){.path = BUFFER_INIT(LONGEST_PRESIGNED_URL),
                            .query = BUFFER_INIT(LONGEST_PRESIGNED_URL)};
    cleanup_buffer struct buffer port = BUFFER_INIT(16);
    CURLU *url = curl_url();
    const bool valid = url &&
                       curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK &&
                       append_part(url, CURLUPART_HOST, 0, host) &&
                       append_part(url, CURLUPART_PATH, 0, &parts->path);
    if (valid) {
        // Only a port that is not the scheme's own is written.
        if (append_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, &port)) {
            buffer_appendf(host, ":%s", buffer_text(&port));
        }
        (void)append_part(url, CURLUPART_QUERY, 0, &parts->query);
    }
    curl_url_cleanup(url);
    return valid || error_set(err, "url", "the URL is not valid: write it like https://host");
}

// --- The request ------------------------------------------------------------------------------

/// S3 takes paths as they are, and wants to see the body's hash.
static struct sigv4_options options_of(const struct aws_sign *sign) {
    const bool is_s3 = strcmp(sign->service, "s3") == 0;
    return (struct sigv4_options){
        .access_key = slice_text(sign->credentials->access_key),
        .secret_key = secret_expose(sign->credentials->secret_key),
        .session_token = secret_expose(sign->credentials->session_token),
        .region = slice_text(sign->region),
        .service = slice_text(sign->service),
        .timestamp_ms = sign->now_ms,
        .normalize = !is_s3,
        .sign_body = is_s3,
        .unsigned_payload = is_s3,
    };
}

static void add(struct aws_signed_headers *headers, struct slice name, struct slice value) {
    headers->items[headers->count++] = (struct http_header){name, value};
}

/// Begins with Host and the request's own.
static bool begin(const struct aws_sign *sign, struct parts *parts,
                  struct aws_signed_headers *headers, struct error *err) {
    *headers = (struct aws_signed_headers){.host = BUFFER_INIT(LONGEST_PRESIGNED_URL)};
    if (!split(sign->url, &headers->host, parts, err)) {
        return false;
    }
    headers->items = xcalloc(sign->header_count + MOST_OWN_HEADERS, sizeof(*headers->items));
    add(headers, SLICE("Host"), buffer_slice(&headers->host));
    for (size_t i = 0; i < sign->header_count; i++) {
        add(headers, sign->headers[i].name, sign->headers[i].value);
    }
    return true;
}

static struct sigv4_request request_of(const struct aws_sign *sign, const struct parts *parts,
                                       const struct aws_signed_headers *headers) {
    return (struct sigv4_request){
        .method = slice_text(sign->method),
        .path = buffer_slice(&parts->path),
        .query = buffer_slice(&parts->query),
        .headers = headers->items,
        .header_count = headers->count,
        .body = sign->body,
    };
}

void aws_signed_headers_clean_up(struct aws_signed_headers *headers) {
    free(headers->items);
    buffer_clean_up(&headers->host);
    sigv4_signature_clean_up(&headers->signature);
    *headers = (struct aws_signed_headers){0};
}

// --- Signing ----------------------------------------------------------------------------------

bool aws_sign_headers(const struct aws_sign *sign, struct aws_signed_headers *headers,
                      struct error *err) {
    cleanup_parts struct parts parts = {0};
    if (!begin(sign, &parts, headers, err)) {
        return false;
    }
    if (!sign->credentials) {
        return true;
    }
    struct sigv4_signature *signature = &headers->signature;
    const struct sigv4_request request = request_of(sign, &parts, headers);
    const struct sigv4_options options = options_of(sign);
    if (!sigv4_sign(&request, &options, signature, err)) {
        return false;
    }
    add(headers, SLICE("X-Amz-Date"), slice_text(signature->date));
    if (options.sign_body) {
        add(headers, SLICE("X-Amz-Content-Sha256"), slice_text(signature->content_sha256));
    }
    if (options.session_token.len > 0) {
        add(headers, SLICE("X-Amz-Security-Token"), options.session_token);
    }
    add(headers, SLICE("Authorization"), buffer_slice(&signature->authorization));
    return true;
}

struct secret *aws_sign_url(const struct aws_sign *sign, int64_t seconds, struct error *err) {
    cleanup_parts struct parts parts = {0};
    cleanup_aws_signed_headers struct aws_signed_headers headers = {0};
    if (!sign->credentials) {
        error_set(err, "credentials", "a presigned URL needs credentials");
        return NULL;
    }
    if (!begin(sign, &parts, &headers, err)) {
        return NULL;
    }
    const struct sigv4_request request = request_of(sign, &parts, &headers);
    const struct sigv4_options options = options_of(sign);
    if (!sigv4_presign(&request, &options, seconds, &headers.signature, err)) {
        return NULL;
    }
    const struct slice url = slice_text(sign->url);
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(LONGEST_PRESIGNED_URL);
    buffer_append(&out, slice_make(url.data, strcspn(url.data, "?#")));
    buffer_appendf(&out, "?%s", buffer_text(&headers.signature.query));
    return buffer_check(&out, "the presigned URL", err) ? secret_take(&out) : NULL;
}
