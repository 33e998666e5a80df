// SPDX-License-Identifier: Apache-2.0
/// Requests to AWS services, signed: in their headers, or in a URL for somebody else.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/credentials.h"
#include "common/aws/sigv4.h"
#include "common/buffer.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/secret.h"

/// What is to be signed, and for whom; all borrowed.
struct aws_sign {
    /// NULL: nothing is signed.
    const struct aws_credentials *credentials;
    /// The service's name in signatures: "sts", "s3".
    const char *service;
    const char *region;
    /// By the service's clock: aws_client_now_ms().
    int64_t now_ms;
    const char *method;
    /// As it is sent: encoded, with its query.
    const char *url;
    /// Sent, and signed, beside Host.
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
};

/// All headers of the request that was signed. They borrow from the request and its credentials.
struct aws_signed_headers {
    struct http_header *items;
    size_t count;
    struct buffer host;
    struct sigv4_signature signature;
};
#define cleanup_aws_signed_headers __attribute__((cleanup(aws_signed_headers_clean_up)))
void aws_signed_headers_clean_up(struct aws_signed_headers *headers);

/// Gives the request's headers with Host and those of the signature. `headers` is initialised here
/// and to be cleaned up by the caller, on failure too. Codes of errors: "url" (it is not a URL) and
/// "sigv4".
bool aws_sign_headers(const struct aws_sign *sign, struct aws_signed_headers *headers,
                      struct error *err);

/// The presigned URL: whoever has it may send the request within `seconds` (1 to 604,800, and not
/// longer than the credentials are good), so it is not to be shown. The request's own headers must
/// be sent with it. For S3 the body is not signed, for other services it is. NULL on failure, with
/// the codes above, "credentials" where there are none.
struct secret *aws_sign_url(const struct aws_sign *sign, int64_t seconds, struct error *err);
