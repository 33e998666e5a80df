// SPDX-License-Identifier: Apache-2.0
/// One transfer with libcurl: what whole requests, downloads and exchanges are made of. Used by the
/// http_*.c files only.
#pragma once

#include <curl/curl.h>

#include "common/http/http.h"

struct http_transfer {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *header_lines;
    struct curl_slist *resolve;
    /// "GET https://host/path", for messages.
    char *what;
    char curl_error[CURL_ERROR_SIZE];

    /// The header lines of the latest answer, and its status; `answered` once they are complete and
    /// it is the last one (neither 1xx nor a redirect that is followed).
    struct buffer head;
    int status;
    bool answered;
    bool follows_redirects;

    /// The transfer is over, `result` says how.
    bool done;
    CURLcode result;
    /// What one of our callbacks had to say, where it ended the transfer; code "" where none did.
    struct error failure;

    /// Takes the answer's body: how many bytes it took, or CURL_WRITEFUNC_PAUSE. Taking fewer ends
    /// the transfer.
    size_t (*take_body)(void *context, const char *data, size_t size);
    void *context;

    int cancel_fd;
    int64_t stall_timeout_ms;
    /// Bytes that came to us, headers included.
    int64_t received;
};

/// Prepares the transfer of a request, without its body, and hands it to the client's multi handle.
/// http_transfer_clean_up() releases it, on failure too. The address must stay the same.
bool http_transfer_init(struct http_transfer *transfer, struct http_client *client,
                        const struct http_request *request, struct error *err);
/// Starts it; the options of the easy handle are final.
bool http_transfer_start(struct http_transfer *transfer, struct error *err);
void http_transfer_clean_up(struct http_transfer *transfer);

/// Drives the client's transfers until `reached(context)` (may be NULL) or the transfer is done,
/// whichever way it ended. False if it was canceled or nothing moved for too long.
bool http_transfer_drive(struct http_transfer *transfer, bool (*reached)(const void *context),
                         const void *context, struct error *err);
/// True if the transfer, which is done, ended well; else the error.
bool http_transfer_result(const struct http_transfer *transfer, struct error *err);

struct clock *http_client_clock(const struct http_client *client);
CURLM *http_client_multi(const struct http_client *client);
/// Sets what the client wants of every handle.
bool http_client_prepare(const struct http_client *client, struct http_transfer *transfer,
                         const char *url, struct error *err);

/// The certificates for OpenSSL, read on the first call; NULL on failure. A reference is the
/// caller's.
struct x509_store_st *http_trust_store(struct http_trust *trust, struct error *err);

/// The state of repeated attempts.
struct http_attempts {
    struct http_client *client;
    const struct http_request *request;
    const struct http_retry *retry;
    unsigned number;
};
/// After a failed attempt (status 0 and its error) or an answer: decides whether to send again, and
/// waits. False: that was the last one. Where the wait is canceled, `*canceled` is set.
bool http_attempts_again(struct http_attempts *attempts, int status, struct slice head,
                         const struct error *failure, bool *canceled);
