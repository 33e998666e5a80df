// SPDX-License-Identifier: Apache-2.0
/// Whole requests, and when they are sent again.
#include "common/http/http.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http_head.h"
#include "common/http/http_transfer.h"
#include "common/timestamp.h"

void http_response_init(struct http_response *response, size_t max_body) {
    *response = (struct http_response){
        .head = BUFFER_INIT(SIZE_MAX / 4),
        .body = BUFFER_INIT_SENSITIVE(max_body),
    };
}

void http_response_clean_up(struct http_response *response) {
    buffer_clean_up(&response->head);
    buffer_clean_up(&response->body);
}

bool http_response_header(const struct http_response *response, const char *name,
                          struct slice *value) {
    return http_head_find(buffer_slice(&response->head), slice_text(name), value);
}

static bool retry_after(struct slice head, struct clock *clock, int64_t *wait_ms) {
    struct slice value;
    int64_t number = 0;
    if (!http_head_find(head, SLICE("Retry-After"), &value)) {
        return false;
    }
    if (slice_parse_integer(value, &number)) {
        *wait_ms = number > INT32_MAX ? (int64_t)INT32_MAX * 1000 : number * 1000;
    } else if (timestamp_parse_http(value, &number)) {
        *wait_ms = number - clock_now_ms(clock);
    } else {
        return false;
    }
    *wait_ms = *wait_ms > 0 ? *wait_ms : 0;
    return true;
}

bool http_response_retry_after(const struct http_response *response, struct clock *clock,
                               int64_t *wait_ms) {
    return retry_after(buffer_slice(&response->head), clock, wait_ms);
}

// --- Attempts ---------------------------------------------------------------------------------

static bool is_worth_repeating(const struct http_retry *retry, int status,
                               const struct error *failure) {
    static const int usual[] = {408, 429, 500, 502, 503, 504, 0};
    if (status == 0) {
        return !error_is(failure, "url") && !error_is(failure, "certificate") &&
               !error_is(failure, "too_large") && !error_is(failure, "canceled") &&
               !error_is(failure, "system");
    }
    const int *candidate = retry->statuses ? retry->statuses : usual;
    while (*candidate != 0 && *candidate != status) {
        candidate++;
    }
    return *candidate != 0;
}

/// Between half and all of base * 2^(n-1), at most the cap.
static int64_t backoff(const struct http_attempts *attempts, struct clock *clock) {
    int64_t pause = attempts->retry->base_ms;
    for (unsigned i = 1; i < attempts->number && pause < attempts->retry->cap_ms; i++) {
        pause *= 2;
    }
    if (attempts->retry->cap_ms > 0 && pause > attempts->retry->cap_ms) {
        pause = attempts->retry->cap_ms;
    }
    return pause / 2 + clock_random_up_to(clock, pause - pause / 2);
}

bool http_attempts_again(struct http_attempts *attempts, int status, struct slice head,
                         const struct error *failure, bool *canceled) {
    const struct http_retry *retry = attempts->retry;
    struct clock *clock = http_client_clock(attempts->client);
    attempts->number++;
    if (!retry || attempts->number >= retry->attempts ||
        !is_worth_repeating(retry, status, failure)) {
        return false;
    }
    int64_t wait_ms = backoff(attempts, clock);
    int64_t asked_ms = 0;
    if (status != 0 && retry_after(head, clock, &asked_ms)) {
        asked_ms = asked_ms < retry->retry_after_cap_ms ? asked_ms : retry->retry_after_cap_ms;
        wait_ms = asked_ms > wait_ms ? asked_ms : wait_ms;
    }
    if (wait_ms >= clock_left_ms(clock, attempts->request->deadline_ms)) {
        return false;
    }
    if (retry->notify) {
        const struct http_attempt attempt = {
            .url = attempts->request->url,
            .number = attempts->number,
            .status = status,
            .error = failure,
            .wait_ms = wait_ms,
        };
        retry->notify(retry->context, &attempt);
    }
    *canceled = !clock_sleep_ms(clock, wait_ms, attempts->request->cancel_fd);
    return !*canceled;
}

// --- One attempt ------------------------------------------------------------------------------

static size_t append_body(void *context, const char *data, size_t size) {
    struct http_response *response = context;
    return buffer_append(&response->body, slice_make(data, size)) ? size : 0;
}

static void set_body(const struct http_transfer *transfer, const struct http_request *request) {
    const struct slice method = slice_text(request->method);
    const bool takes_body = slice_equal(method, SLICE("POST")) ||
                            slice_equal(method, SLICE("PUT")) ||
                            slice_equal(method, SLICE("PATCH"));
    if (request->body.len > 0 || takes_body) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)request->body.len);
        (void)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS,
                               request->body.len > 0 ? request->body.data : "");
    } else if (slice_equal(method, SLICE("HEAD"))) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_NOBODY, 1L);
    }
    (void)curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static bool transfer_whole(struct http_transfer *transfer, const struct http_response *response,
                           struct error *err) {
    if (!http_transfer_start(transfer, err) || !http_transfer_drive(transfer, NULL, NULL, err)) {
        return false;
    }
    if (response->body.overflowed) {
        return error_set(err, "too_large", "%s: the answer is larger than %zu bytes",
                         transfer->what, response->body.max);
    }
    return http_transfer_result(transfer, err);
}

static bool send_once(struct http_client *client, const struct http_request *request,
                      struct http_response *response, struct error *err) {
    response->status = 0;
    response->cut_status = 0;
    buffer_reset(&response->head);
    buffer_reset(&response->body);
    __attribute__((cleanup(http_transfer_clean_up))) struct http_transfer transfer;
    if (!http_transfer_init(&transfer, client, request, err)) {
        return false;
    }
    transfer.take_body = append_body;
    transfer.context = response;
    set_body(&transfer, request);
    if (!transfer_whole(&transfer, response, err)) {
        response->cut_status = transfer.answered ? transfer.status : 0;
        return false;
    }
    response->status = transfer.status;
    buffer_append(&response->head, buffer_slice(&transfer.head));
    return true;
}

bool http_send(struct http_client *client, const struct http_request *request,
               const struct http_retry *retry, struct http_response *response, struct error *err) {
    struct http_attempts attempts = {.client = client, .request = request, .retry = retry};
    for (;;) {
        struct error failure = {.code = ""};
        const bool answered = send_once(client, request, response, &failure);
        bool canceled = false;
        if (!http_attempts_again(&attempts, answered ? response->status : 0,
                                 buffer_slice(&response->head), &failure, &canceled)) {
            if (canceled) {
                return error_set(err, "canceled", "%s: canceled before it was sent again",
                                 request->method);
            }
            if (!answered) {
                *err = failure;
            }
            return answered;
        }
    }
}
