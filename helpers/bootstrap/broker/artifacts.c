// SPDX-License-Identifier: Apache-2.0
/// Artifacts: files of any size, streamed both ways through a few kilobytes of memory.
#include <inttypes.h>
#include <stdlib.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"

static const size_t BLOCK_SIZE = (size_t)64 << 10;
/// GitLab may need minutes after the last byte of an upload.
static const int64_t STALL_TIMEOUT_MS = 600000;
static const int64_t CONNECT_TIMEOUT_MS = 10000;

/// An upload or download under way.
struct transfer {
    struct broker *broker;
    struct broker_request *request;
    struct http_client *client;
    struct http_exchange *exchange;
    /// Why it cannot go on.
    bool failed;
    struct error err;
};

void broker_transfer_release(void *state) {
    struct transfer *transfer = state;
    if (transfer) {
        http_exchange_destroy(transfer->exchange);
        gitlab_return(transfer->broker->gitlab, transfer->client);
        free(transfer);
    }
}

static struct transfer *start(struct broker_request *request, const char *method,
                              int64_t body_length, struct broker_headers *headers) {
    struct broker *broker = request->broker;
    struct transfer *transfer = xcalloc(1, sizeof(*transfer));
    cleanup_free char *path = broker_forward_path(request);
    cleanup_free char *url = gitlab_url(broker->gitlab, path);
    const struct http_request http_request = {
        .method = method,
        .url = url,
        .headers = headers->list,
        .header_count = headers->count,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .stall_timeout_ms = STALL_TIMEOUT_MS,
        .cancel_fd = broker->stop_fd,
    };
    transfer->broker = broker;
    transfer->request = request;
    transfer->client = gitlab_borrow(broker->gitlab);
    transfer->exchange =
        http_exchange_start(transfer->client, &http_request, body_length, &transfer->err);
    transfer->failed = !transfer->exchange;
    request->state = transfer;
    return transfer;
}

static enum MHD_Result answer_failure(struct broker_request *request,
                                      const struct transfer *transfer) {
    log_warn("artifacts did not pass", LOG_ERROR_FIELDS(&transfer->err));
    return broker_request_answer_text(request, MHD_HTTP_BAD_GATEWAY, transfer->err.message);
}

// --- GitLab's answer ---------------------------------------------------------------------------

static ssize_t read_answer(void *context, uint64_t position, char *data, size_t size) {
    struct transfer *transfer = context;
    size_t got = 0;
    (void)position;
    broker_request_waits(transfer->request, true);
    bool good = http_exchange_read(transfer->exchange, data, size, &got, &transfer->err);
    broker_request_waits(transfer->request, false);
    if (!good) {
        // The connection is closed, so that the runner sees that something is missing.
        log_warn("an answer of GitLab was cut", LOG_ERROR_FIELDS(&transfer->err));
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

static uint64_t answer_length(const struct transfer *transfer, int status) {
    struct slice value;
    int64_t length;
    if (status == 204 || status == 304) {
        return 0;
    }
    return http_exchange_header(transfer->exchange, "Content-Length", &value) &&
                   slice_parse_integer(value, &length) && length >= 0
               ? (uint64_t)length
               : MHD_SIZE_UNKNOWN;
}

static enum MHD_Result answer_from(struct broker_request *request, struct transfer *transfer) {
    int status;
    if (!http_exchange_status(transfer->exchange, &status, &transfer->err)) {
        return answer_failure(request, transfer);
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        answer_length(transfer, status), BLOCK_SIZE, read_answer, transfer, NULL);
    if (response) {
        struct slice rest = {0}, name, value;
        while (http_exchange_next_header(transfer->exchange, &rest, &name, &value)) {
            broker_response_add_header(response, name, value);
        }
    }
    return broker_request_answer(request, (unsigned)status, response);
}

// --- Uploads -----------------------------------------------------------------------------------

/// The body's length as announced; HTTP_BODY_CHUNKED where it is not.
static int64_t announced_length(const struct broker_request *request) {
    int64_t length;
    struct slice value = broker_request_header(request, "Content-Length");
    return value.len > 0 && slice_parse_integer(value, &length) && length >= 0 ? length
                                                                               : HTTP_BODY_CHUNKED;
}

void broker_upload_begin(struct broker_request *request) {
    if (!broker_admit(request)) {
        return;
    }
    struct broker_headers headers = {0};
    broker_headers_forward(&headers, request);
    broker_headers_add_job_token(&headers, request->broker->job);
    (void)start(request, "POST", announced_length(request), &headers);
}

void broker_upload_take(struct broker_request *request, struct slice piece) {
    struct transfer *transfer = request->state;
    if (transfer->failed) {
        return; // The answer comes when the runner is done.
    }
    broker_request_waits(request, true);
    transfer->failed = !http_exchange_send(transfer->exchange, piece, &transfer->err);
    broker_request_waits(request, false);
}

enum MHD_Result broker_upload_finish(struct broker_request *request) {
    struct transfer *transfer = request->state;
    if (transfer->failed || !http_exchange_finish_body(transfer->exchange, &transfer->err)) {
        return answer_failure(request, transfer);
    }
    return answer_from(request, transfer);
}

// --- Downloads ---------------------------------------------------------------------------------

void broker_download_begin(struct broker_request *request) {
    const struct job *job = broker_job(request->broker);
    struct slice token = broker_request_header(request, "JOB-TOKEN");
    if (!job || !job_may_download(job, request->id, token)) {
        broker_request_refuse(request, MHD_HTTP_FORBIDDEN, "403 Forbidden");
        return;
    }
    broker_request_trust(request);
}

enum MHD_Result broker_download_finish(struct broker_request *request) {
    struct broker_headers headers = {0};
    broker_headers_forward(&headers, request);
    broker_headers_add(&headers, "JOB-TOKEN", broker_request_header(request, "JOB-TOKEN"));
    struct transfer *transfer = start(request, "GET", HTTP_BODY_NONE, &headers);
    return transfer->failed ? answer_failure(request, transfer) : answer_from(request, transfer);
}
