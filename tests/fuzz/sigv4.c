// SPDX-License-Identifier: Apache-2.0
/// Signing: lines of any bytes as method, path, query, headers, token and body.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/aws/sigv4.h"

static struct slice next_line(struct slice *rest) {
    struct slice line = {0};
    return slice_split(rest, '\n', &line) ? line : (struct slice){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct slice rest = slice_make(data + 1, size - 1);
    const struct http_header headers[] = {
        {SLICE("Host"), next_line(&rest)},
        {next_line(&rest), next_line(&rest)},
        {next_line(&rest), next_line(&rest)},
    };
    const struct sigv4_request request = {
        .method = next_line(&rest),
        .path = next_line(&rest),
        .query = next_line(&rest),
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .body = next_line(&rest),
    };
    const struct sigv4_options options = {
        .access_key = SLICE("AKIDEXAMPLE"),
        .secret_key = SLICE("secret"),
        .session_token = next_line(&rest),
        .region = SLICE("us-east-1"),
        .service = SLICE("service"),
        .timestamp_ms = (int64_t)data[0] * 1000000000000,
        .normalize = (data[0] & 1) != 0,
        .sign_body = (data[0] & 2) != 0,
        .omit_session_token = (data[0] & 4) != 0,
    };
    struct error err;
    cleanup_sigv4_signature struct sigv4_signature presigned;
    if (sigv4_presign(&request, &options, data[0] + 1, &presigned, &err)) {
        // The signature is the last of its parameters, in 64 digits.
        const struct slice query = buffer_slice(&presigned.query);
        const struct slice last = SLICE("&X-Amz-Signature=");
        if (query.len < last.len + 64 ||
            !slice_starts_with(slice_skip(query, query.len - last.len - 64), last)) {
            abort();
        }
    }
    cleanup_sigv4_signature struct sigv4_signature signature;
    if (sigv4_sign(&request, &options, &signature, &err)) {
        // "<method>\n/..." and the hash at the end, whatever came in.
        const struct slice text = buffer_slice(&signature.canonical_request);
        if (text.len < 64 || slice_find(text, '\n') == text.len ||
            !slice_starts_with(buffer_slice(&signature.authorization),
                               SLICE("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"))) {
            abort();
        }
    }
    return 0;
}
