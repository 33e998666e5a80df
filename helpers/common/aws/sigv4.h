// SPDX-License-Identifier: Apache-2.0
/// AWS Signature Version 4, in the Authorization header or in the query: the arithmetic alone.
/// sign.h knows what a service wants of it.
/// Source:
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/slice.h"

/// The request as it will be sent; all borrowed.
struct sigv4_request {
    struct slice method;
    /// As on the request line, without the query; empty is "/".
    struct slice path;
    /// As on the request line, without the "?".
    struct slice query;
    /// What is sent and signed: Host must be among them. A name may be there several times; a
    /// folded value has newlines in it.
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
};

struct sigv4_options {
    struct slice access_key;
    struct slice secret_key;
    /// Empty: none.
    struct slice session_token;
    struct slice region;
    struct slice service;
    int64_t timestamp_ms;
    /// Resolve "." and ".." and empty segments of the path: for all services but S3. With it the
    /// path is encoded once more as well.
    bool normalize;
    /// Add and sign x-amz-content-sha256, as S3 wants it.
    bool sign_body;
    /// Leave x-amz-security-token out of the signature: it is added after signing.
    bool omit_session_token;
    /// Of sigv4_presign(): sign "UNSIGNED-PAYLOAD" in place of the body's hash, as S3 wants it.
    bool unsigned_payload;
};

/// AWS takes presigned URLs for a second to a week.
enum { SIGV4_SHORTEST_SECONDS = 1 };
enum { SIGV4_LONGEST_SECONDS = 7 * 24 * 3600 };

/// What came out.
struct sigv4_signature {
    struct buffer canonical_request;
    struct buffer string_to_sign;
    /// Of sigv4_sign().
    struct buffer authorization;
    /// Of sigv4_presign(): the whole query, with which everybody can do what was signed.
    struct buffer query;
    char date[17];
    char content_sha256[65];
};
#define cleanup_sigv4_signature __attribute__((cleanup(sigv4_signature_clean_up)))

/// Signs in the Authorization header. The request must be sent with x-amz-date = `date`, with
/// x-amz-security-token where there is a token, x-amz-content-sha256 = `content_sha256` where asked
/// for, and Authorization. An x-amz-date header of the caller's is replaced by our own. `signature`
/// is initialised here and to be released with sigv4_signature_clean_up(), on failure too. Fails
/// ("sigv4") for missing keys, region, service, method or Host.
bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_options *options,
                struct sigv4_signature *signature, struct error *err);
/// Signs in the query, for whoever sends the request within `seconds`, without keys: with
/// `signature->query` as its query and the headers that were signed. Of the options `sign_body` and
/// `omit_session_token` do not count. Fails as sigv4_sign() does, and for `seconds` out of bounds.
/// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
bool sigv4_presign(const struct sigv4_request *request, const struct sigv4_options *options,
                   int64_t seconds, struct sigv4_signature *signature, struct error *err);
void sigv4_signature_clean_up(struct sigv4_signature *signature);
