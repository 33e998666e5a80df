// SPDX-License-Identifier: Apache-2.0
/// Artifacts: files of any size, streamed both ways through a few kilobytes of memory.
#include <inttypes.h>
#include <stdlib.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http_head.h"
#include "common/log.h"

/// An upload or download under way.
struct transfer {
    struct broker *broker;
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

static struct transfer *start(struct http_server_request *request, const char *method,
                              int64_t body_length, struct broker_headers *headers) {
    struct broker *broker = broker_of(request);
    struct transfer *transfer = xcalloc(1, sizeof(*transfer));
    cleanup_free char *path = broker_forward_path(request);
    cleanup_free char *url = gitlab_url(broker->gitlab, path);
    const struct http_request http_request = {
        .method = method,
        .url = url,
        .headers = headers->list,
        .header_count = headers->count,
        .stall_timeout_ms = BROKER_STALL_MS,
        .cancel_fd = broker->stop_fd,
    };
    transfer->broker = broker;
    transfer->client = gitlab_borrow(broker->gitlab);
    transfer->exchange =
        http_exchange_start(transfer->client, &http_request, body_length, &transfer->err);
    transfer->failed = !transfer->exchange;
    request->state = transfer;
    return transfer;
}

static bool answer_failure(struct http_server_request *request, const struct transfer *transfer) {
    log_warn("artifacts could not be passed on", LOG_ERROR_FIELDS(&transfer->err));
    return http_server_answer_message(request, 502, transfer->err.message);
}

// --- GitLab's answer ---------------------------------------------------------------------------

static ssize_t read_answer(struct http_server_request *request, char *data, size_t size) {
    struct transfer *transfer = request->state;
    size_t got = 0;
    if (!http_exchange_read(transfer->exchange, data, size, &got, &transfer->err)) {
        log_warn("an answer of GitLab ended too early", LOG_ERROR_FIELDS(&transfer->err));
        return -1;
    }
    return (ssize_t)got;
}

static int64_t answer_length(struct slice head, int status) {
    struct slice value;
    int64_t length;
    if (status == 204 || status == 304) {
        return 0;
    }
    return http_head_find(head, SLICE("Content-Length"), &value) &&
                   slice_parse_integer(value, &length) && length >= 0
               ? length
               : -1;
}

/// Whether something on the way to GitLab refused the file, and not GitLab, which does so in JSON.
/// The runner would give up; at trouble it tries again.
static bool is_foreign_refusal(struct slice head, int status) {
    struct slice value;
    return (status == 401 || status == 403 || status == 404 || status == 407) &&
           !http_head_find(head, SLICE("Job-Status"), &value) &&
           (!http_head_find(head, SLICE("Content-Type"), &value) ||
            !slice_starts_with(value, SLICE("application/json")));
}

static bool answer_from(struct http_server_request *request, struct transfer *transfer) {
    int status;
    if (!http_exchange_status(transfer->exchange, &status, &transfer->err)) {
        return answer_failure(request, transfer);
    }
    struct slice head = http_exchange_head(transfer->exchange);
    if (is_foreign_refusal(head, status)) {
        error_set(&transfer->err, "foreign",
                  "something on the way to GitLab answered with status %d", status);
        return answer_failure(request, transfer);
    }
    broker_pass_headers(request, head);
    return http_server_answer_stream(request, (unsigned)status, answer_length(head, status),
                                     read_answer);
}

// --- Uploads -----------------------------------------------------------------------------------

/// The body's length as announced; HTTP_BODY_CHUNKED where it is not.
static int64_t announced_length(const struct http_server_request *request) {
    int64_t length;
    struct slice value = http_server_header(request, "Content-Length");
    return value.len > 0 && slice_parse_integer(value, &length) && length >= 0 ? length
                                                                               : HTTP_BODY_CHUNKED;
}

void broker_upload_begin(struct http_server_request *request) {
    if (!broker_admit(request)) {
        return;
    }
    struct broker_headers headers = {0};
    broker_headers_forward(&headers, request);
    broker_headers_add_job_token(&headers, broker_of(request)->job);
    (void)start(request, "POST", announced_length(request), &headers);
}

void broker_upload_take(struct http_server_request *request, struct slice piece) {
    struct transfer *transfer = request->state;
    if (transfer->failed) {
        return; // The answer comes when the runner is done.
    }
    transfer->failed = !http_exchange_send(transfer->exchange, piece, &transfer->err);
}

bool broker_upload_finish(struct http_server_request *request) {
    struct transfer *transfer = request->state;
    if (transfer->failed || !http_exchange_finish_body(transfer->exchange, &transfer->err)) {
        return answer_failure(request, transfer);
    }
    return answer_from(request, transfer);
}

// --- Downloads ---------------------------------------------------------------------------------

void broker_download_begin(struct http_server_request *request) {
    const struct job *job = broker_job(broker_of(request));
    struct slice token = http_server_header(request, "JOB-TOKEN");
    if (!job || !job_may_download(job, request->number, token)) {
        http_server_refuse(request, 403, "403 Forbidden");
        return;
    }
    http_server_trust(request);
}

bool broker_download_finish(struct http_server_request *request) {
    struct broker_headers headers = {0};
    broker_headers_forward(&headers, request);
    broker_headers_add(&headers, "JOB-TOKEN", http_server_header(request, "JOB-TOKEN"));
    struct transfer *transfer = start(request, "GET", HTTP_BODY_NONE, &headers);
    return transfer->failed ? answer_failure(request, transfer) : answer_from(request, transfer);
}
