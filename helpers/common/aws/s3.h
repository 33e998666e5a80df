// SPDX-License-Identifier: Apache-2.0
/// Objects of S3: what is too large for aws_call(), and presigned URLs.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aws/calls.h"
#include "common/error.h"
#include "common/http/http.h"

/// What to get; all borrowed.
struct aws_s3_object {
    const char *bucket;
    /// As it is, not encoded.
    const char *key;
};

/// Appends the object's URL: ENDPOINT/BUCKET/KEY where the client or the environment names an
/// endpoint or where the bucket has a dot in its name (no certificate fits it then), else the host
/// BUCKET.s3.REGION.SUFFIX.
bool aws_s3_url(const struct aws_client *aws, const struct aws_s3_object *object,
                struct buffer *out, struct error *err);

/// Downloads the object to a file, in constant memory, resumed where it was cut, and signed where
/// there are `credentials` (NULL: unsigned) for the client's region. To be done within 15 minutes,
/// as long as a signature is good; `deadline_ms` is the Unix epoch, 0: none.
///
/// Codes of its errors, beside those of http.h: "AccessDenied", "NotFound", "WrongRegion", and
/// "status" for any other answer. The caller checks the content.
bool aws_s3_download(const struct aws_client *aws, const struct aws_credentials *credentials,
                     const struct aws_s3_object *object, const struct http_download *download,
                     int64_t deadline_ms, struct error *err);

/// A request that somebody else is to send; all borrowed.
struct aws_s3_presign {
    struct aws_s3_object object;
    /// "GET", "PUT", ...
    const char *method;
    /// Encoded, without the "?"; NULL: none.
    const char *query;
    /// To be sent with it, such as Content-Type.
    const struct http_header *headers;
    size_t header_count;
    /// How long it may be sent: 1 to 604,800, and not longer than the credentials are good.
    int64_t seconds;
};

/// The URL for that request, as aws_sign_url() makes it: not to be shown. NULL on failure.
struct secret *aws_s3_presigned_url(const struct aws_client *aws,
                                    const struct aws_credentials *credentials,
                                    const struct aws_s3_presign *presign, struct error *err);
