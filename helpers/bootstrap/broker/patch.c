// SPDX-License-Identifier: Apache-2.0
/// The trace: patches of the runner, kept whole so that they can be sent again, and a line of ours.
#include <inttypes.h>
#include <stdlib.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"

/// Memory that a request has reserved.
struct reservation {
    struct broker *broker;
    size_t size;
};

// --- Incoming patches --------------------------------------------------------------------------

static bool reserve(struct http_server_request *request, size_t size) {
    struct broker *broker = broker_of(request);
    pthread_mutex_lock(&broker->lock);
    bool fits = broker->buffered + size <= BROKER_MOST_BUFFERED;
    broker->buffered += fits ? size : 0;
    pthread_mutex_unlock(&broker->lock);
    if (fits) {
        struct reservation *reservation = xcalloc(1, sizeof(*reservation));
        *reservation = (struct reservation){.broker = broker, .size = size};
        request->state = reservation;
    }
    return fits;
}

void broker_patch_release(void *state) {
    struct reservation *reservation = state;
    if (reservation) {
        pthread_mutex_lock(&reservation->broker->lock);
        reservation->broker->buffered -= reservation->size;
        pthread_mutex_unlock(&reservation->broker->lock);
        free(reservation);
    }
}

void broker_patch_begin(struct http_server_request *request) {
    if (!broker_admit(request)) {
        return;
    }
    int64_t length = BROKER_LARGEST_PATCH;
    struct slice announced = http_server_header(request, "Content-Length");
    if (announced.len > 0 &&
        (!slice_parse_integer(announced, &length) || length < 0 || length > BROKER_LARGEST_PATCH)) {
        http_server_refuse(request, 413, "413 Request Entity Too Large");
    } else if (!reserve(request, (size_t)length)) {
        http_server_refuse(request, 503, "503 Too many large requests at a time");
    } else {
        request->body.max = (size_t)length;
    }
}

void broker_patch_take(struct http_server_request *request, struct slice piece) {
    // All at once, so that it does not grow by copying.
    if ((request->body.len == 0 && !buffer_reserve(&request->body, request->body.max)) ||
        !buffer_append(&request->body, piece)) {
        http_server_refuse(request, 413, "413 Request Entity Too Large");
    }
}

// --- Parcels for GitLab ------------------------------------------------------------------------

enum delivery {
    /// GitLab has all of it.
    DELIVERED,
    /// It belongs elsewhere: GitLab's trace has another size.
    MISFIT,
    /// Another answer that does not change.
    REFUSED,
    /// No answer, or none that is final, in the time for it.
    TROUBLE,
};

/// A piece of the trace on its way.
struct parcel {
    struct broker *broker;
    const char *path;
    /// Without Content-Range and token.
    struct broker_headers headers;
    struct gitlab_patience patience;
    struct job_trace_plan plan;
    /// It was sent before and may have been taken, though nobody was told.
    bool tried;
    /// The last answer.
    struct http_response response;
    /// After MISFIT.
    int64_t remote_size;
};

static bool send_parcel(struct parcel *parcel, struct error *err) {
    struct broker *broker = parcel->broker;
    cleanup_free char *range = xasprintf("%" PRId64 "-%" PRId64, parcel->plan.offset,
                                         parcel->plan.offset + (int64_t)parcel->plan.bytes.len - 1);
    struct broker_headers headers = parcel->headers;
    broker_headers_add(&headers, "Content-Range", slice_text(range));
    broker_headers_add_job_token(&headers, broker->job);
    const struct gitlab_call call = {
        .method = "PATCH",
        .path = parcel->path,
        .headers = headers.list,
        .header_count = headers.count,
        .body = parcel->plan.bytes,
    };
    http_response_clean_up(&parcel->response);
    http_response_init(&parcel->response, BROKER_LARGEST_ANSWER);
    return gitlab_send(broker->gitlab, &call, &parcel->patience, &parcel->response, err);
}

/// After a 416: false where it does not help to go on.
static bool skip_what_is_there(struct parcel *parcel) {
    struct slice range;
    int64_t first;
    if (!http_response_header(&parcel->response, "Range", &range) ||
        !job_trace_parse_range(range, &first, &parcel->remote_size)) {
        parcel->remote_size = -1;
        return false;
    }
    // What GitLab has in the place of a parcel that was never sent is somebody else's.
    size_t there = parcel->tried
                       ? job_trace_find(&parcel->broker->trace, &parcel->plan, parcel->remote_size)
                       : 0;
    parcel->plan.bytes = slice_skip(parcel->plan.bytes, there);
    parcel->plan.offset += (int64_t)there;
    // The rest of a probe is none: GitLab has forgotten the trace, or was asked again.
    parcel->plan.probe = parcel->plan.probe && there == 0;
    return there > 0;
}

/// With the job's lock held.
static enum delivery deliver(struct parcel *parcel, struct error *err) {
    struct broker *broker = parcel->broker;
    struct gitlab_backoff backoff = {0};
    for (;;) {
        bool answered = send_parcel(parcel, err);
        int status = answered ? parcel->response.status : 0;
        if (answered) {
            broker_learn(broker, &parcel->response, true);
        }
        if (status >= 200 && status < 300) {
            job_trace_taken(&broker->trace, parcel->plan.offset, parcel->plan.bytes);
            return DELIVERED;
        }
        if (status == 416) {
            if (!skip_what_is_there(parcel)) {
                return parcel->remote_size < 0 ? REFUSED : MISFIT;
            }
            if (parcel->plan.bytes.len == 0) {
                return DELIVERED;
            }
            continue;
        }
        // It knows no 412 of a patch: whoever says so is asked again, but not at once.
        if (answered && !gitlab_is_transient(status) && status != 412) {
            return REFUSED;
        }
        parcel->tried = true;
        if (answered) {
            error_set(err, "status", "GitLab answered with status %d", status);
        }
        log_warn("a part of the trace could not be sent", LOG_ERROR_FIELDS(err),
                 log_int("offset", parcel->plan.offset),
                 log_int("size", (int64_t)parcel->plan.bytes.len));
        if (error_is(err, "canceled") ||
            !gitlab_pause(broker->gitlab, &backoff, answered ? &parcel->response : NULL,
                          &parcel->patience)) {
            return TROUBLE;
        }
    }
}

static void parcel_clean_up(struct parcel *parcel) {
    http_response_clean_up(&parcel->response);
}

// --- Answers to the runner ---------------------------------------------------------------------

/// Answers with the headers of GitLab's last answer, but Range in the runner's own counting.
static bool answer_patch(struct http_server_request *request, unsigned status,
                         const struct http_response *response) {
    const struct job_trace *trace = &broker_of(request)->trace;
    cleanup_free char *range = xasprintf("0-%" PRId64, job_trace_runner_offset(trace, trace->size));
    http_server_add_header(request, SLICE("Range"), slice_text(range));
    http_server_add_header(request, SLICE("Content-Type"), SLICE("text/plain"));
    broker_pass_headers(request, buffer_slice(&response->head));
    cleanup_buffer struct buffer body = BUFFER_INIT(strlen(range));
    buffer_append_text(&body, range);
    return http_server_answer(request, status, &body);
}

static bool answer_parcel(struct http_server_request *request, struct parcel *parcel,
                          enum delivery delivery, const struct error *err) {
    switch (delivery) {
    case DELIVERED:
        return answer_patch(request, 202, &parcel->response);
    case MISFIT:
        job_trace_resize(&broker_of(request)->trace, parcel->remote_size);
        return answer_patch(request, 416, &parcel->response);
    case REFUSED:
        break;
    case TROUBLE:
        if (parcel->response.status == 0 || parcel->response.status == 412) {
            return http_server_answer_message(request, 502, err->message);
        }
        break;
    }
    return broker_answer_like(request, &parcel->response);
}

static bool pass_patch(struct http_server_request *request, int64_t first) {
    struct broker *broker = broker_of(request);
    struct slice bytes = buffer_slice(&request->body);
    struct job_trace_plan plan = job_trace_plan(&broker->trace, first, bytes);
    if (plan.skip || plan.bytes.len == 0) {
        const struct http_response none = {0};
        return answer_patch(request, 202, &none);
    }
    cleanup_free char *path = broker_forward_path(request);
    struct parcel parcel = {
        .broker = broker,
        .path = path,
        .patience = broker_patience(broker, BROKER_PATIENCE_MS),
        .plan = plan,
        // By the runner, perhaps.
        .tried = true,
    };
    broker_headers_forward(&parcel.headers, request);
    struct error err;
    enum delivery delivery = deliver(&parcel, &err);
    bool result;
    if (plan.probe && delivery == MISFIT && parcel.remote_size == broker->trace.size) {
        // GitLab has not forgotten the trace after all.
        broker->trace.doubtful = false;
        result = pass_patch(request, first);
    } else {
        result = answer_parcel(request, &parcel, delivery, &err);
    }
    parcel_clean_up(&parcel);
    return result;
}

bool broker_patch_finish(struct http_server_request *request) {
    struct broker *broker = broker_of(request);
    int64_t first, last;
    if (!job_trace_parse_range(http_server_header(request, "Content-Range"), &first, &last)) {
        return http_server_answer_message(request, 400, "400 Missing header Content-Range");
    }
    pthread_mutex_lock(&broker->job_lock);
    bool result = broker_is_closed(broker)
                      ? http_server_answer_message(request, 403, "403 Forbidden")
                      : pass_patch(request, first);
    pthread_mutex_unlock(&broker->job_lock);
    return result;
}

// --- Our line ----------------------------------------------------------------------------------

bool broker_add_line(struct broker *broker, const char *line,
                     const struct gitlab_patience *patience, struct error *err) {
    enum { TRIES = 3 };
    struct job_trace *trace = &broker->trace;
    cleanup_free char *path = xasprintf("/jobs/%" PRId64 "/trace", broker->job->identity.job_id);
    for (unsigned i = 0; i < TRIES; i++) {
        if (trace->line_added) {
            return true;
        }
        cleanup_buffer struct buffer text = BUFFER_INIT(BROKER_LARGEST_LINE);
        job_trace_format_line(trace, line, clock_now_ms(broker->clock), &text);
        if (!buffer_check(&text, "the line for the trace", err)) {
            return false;
        }
        struct parcel parcel = {
            .broker = broker,
            .path = path,
            .patience = *patience,
            .plan = {.offset = trace->size, .bytes = buffer_slice(&text)},
        };
        int64_t offset = parcel.plan.offset;
        broker_headers_add(&parcel.headers, "Content-Type", SLICE("text/plain"));
        enum delivery delivery = deliver(&parcel, err);
        int status = parcel.response.status;
        int64_t remote_size = parcel.remote_size;
        parcel_clean_up(&parcel);
        switch (delivery) {
        case DELIVERED:
            job_trace_line_added(trace, offset, buffer_slice(&text));
            return true;
        case MISFIT:
            // Somebody else wrote to the trace, or GitLab lost a part: it goes to the end anyway.
            job_trace_resize(trace, remote_size);
            break;
        case REFUSED:
            return error_set(err, "status", "GitLab answered with status %d", status);
        case TROUBLE:
            return false;
        }
    }
    return error_set(err, "status", "GitLab's trace had another size each time");
}
