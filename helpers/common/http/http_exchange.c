// SPDX-License-Identifier: Apache-2.0
/// Exchanges that stream both ways: libcurl's callbacks, which push and pull as libcurl likes,
/// turned round by pausing them.
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http_transfer.h"

/// Of the answer's body that nobody has read yet; libcurl hands over 16 KiB at most at a time.
enum { LARGEST_BACKLOG = 64 * 1024 };
static const long STREAM_UPLOAD_BUFFER = 64 * 1024;

struct http_exchange {
    struct http_transfer transfer;
    /// What http_exchange_send() was given and libcurl has not taken yet.
    struct slice outgoing;
    /// As announced, or one of HTTP_BODY_*.
    int64_t body_length;
    int64_t sent;
    bool body_finished;
    bool sending_paused;
    bool receiving_paused;
    struct buffer incoming;
    /// What of `incoming` was read already.
    size_t incoming_read;
};

static size_t give_body(char *data, size_t size, size_t count, void *user) {
    struct http_exchange *exchange = user;
    size_t length = size * count;
    if (exchange->outgoing.len == 0) {
        if (exchange->body_finished) {
            return 0;
        }
        exchange->sending_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    length = length < exchange->outgoing.len ? length : exchange->outgoing.len;
    memcpy(data, exchange->outgoing.data, length);
    exchange->outgoing = slice_skip(exchange->outgoing, length);
    return length;
}

static size_t backlog(const struct http_exchange *exchange) {
    return exchange->incoming.len - exchange->incoming_read;
}

static size_t keep_body(void *context, const char *data, size_t size) {
    struct http_exchange *exchange = context;
    if (backlog(exchange) > 0 && exchange->incoming.len + size > LARGEST_BACKLOG) {
        exchange->receiving_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (backlog(exchange) == 0) {
        buffer_reset(&exchange->incoming);
        exchange->incoming_read = 0;
    }
    return buffer_append(&exchange->incoming, slice_make(data, size)) ? size : 0;
}

/// Lets libcurl go on with what is not to be paused any more.
static void resume(const struct http_exchange *exchange) {
    (void)curl_easy_pause(exchange->transfer.easy,
                          (exchange->sending_paused ? CURLPAUSE_SEND : 0) |
                              (exchange->receiving_paused ? CURLPAUSE_RECV : 0));
}

static void resume_sending(struct http_exchange *exchange) {
    if (exchange->sending_paused) {
        exchange->sending_paused = false;
        resume(exchange);
    }
}

/// The server does not want the (rest of the) body: libcurl has stopped sending, and must not wait
/// for more of it.
static bool is_refused(const struct http_exchange *exchange) {
    return exchange->transfer.answered && exchange->transfer.status >= 300;
}

static void set_body(const struct http_exchange *exchange, const char *method) {
    CURL *easy = exchange->transfer.easy;
    if (exchange->body_length != HTTP_BODY_NONE) {
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, STREAM_UPLOAD_BUFFER);
        (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        (void)curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
        // -1 makes libcurl send the body in chunks.
        (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)exchange->body_length);
    } else if (strcmp(method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

struct http_exchange *http_exchange_start(struct http_client *client,
                                          const struct http_request *request, int64_t body_length,
                                          struct error *err) {
    cleanup_http_exchange struct http_exchange *exchange = xcalloc(1, sizeof(*exchange));
    exchange->body_length = body_length;
    exchange->body_finished = body_length == HTTP_BODY_NONE;
    exchange->incoming = (struct buffer)BUFFER_INIT(SIZE_MAX / 4);
    if (!http_transfer_init(&exchange->transfer, client, request, err)) {
        return NULL;
    }
    exchange->transfer.take_body = keep_body;
    exchange->transfer.context = exchange;
    set_body(exchange, request->method);
    if (!http_transfer_start(&exchange->transfer, err)) {
        return NULL;
    }
    return steal_pointer(&exchange);
}

void http_exchange_destroy(struct http_exchange *exchange) {
    if (exchange) {
        http_transfer_clean_up(&exchange->transfer);
        buffer_clean_up(&exchange->incoming);
        free(exchange);
    }
}

void http_exchange_destroyp(struct http_exchange **exchange) {
    http_exchange_destroy(*exchange);
}

static bool chunk_is_gone(const void *context) {
    const struct http_exchange *exchange = context;
    return exchange->outgoing.len == 0 || is_refused(exchange);
}

bool http_exchange_send(struct http_exchange *exchange, struct slice chunk, struct error *err) {
    struct http_transfer *transfer = &exchange->transfer;
    exchange->sent += (int64_t)chunk.len;
    if (exchange->body_length != HTTP_BODY_CHUNKED && exchange->sent > exchange->body_length) {
        return error_set(err, "protocol", "%s: more is sent than was announced", transfer->what);
    }
    if (!transfer->done && !is_refused(exchange) && chunk.len > 0) {
        exchange->outgoing = chunk;
        resume_sending(exchange);
        const bool driven = http_transfer_drive(transfer, chunk_is_gone, exchange, err);
        // It is only borrowed until we return.
        exchange->outgoing = (struct slice){0};
        if (!driven) {
            return false;
        }
    }
    return !transfer->done || http_transfer_result(transfer, err);
}

bool http_exchange_finish_body(struct http_exchange *exchange, struct error *err) {
    struct http_transfer *transfer = &exchange->transfer;
    if (!is_refused(exchange) && exchange->body_length >= 0 &&
        exchange->sent < exchange->body_length) {
        return error_set(err, "protocol", "%s: the body ended after %lld of %lld bytes",
                         transfer->what, (long long)exchange->sent,
                         (long long)exchange->body_length);
    }
    exchange->body_finished = true;
    resume_sending(exchange);
    return true;
}

bool http_exchange_answered(const struct http_exchange *exchange) {
    return exchange->transfer.answered;
}

static bool is_answered(const void *context) {
    return http_exchange_answered(context);
}

bool http_exchange_status(struct http_exchange *exchange, int *status, struct error *err) {
    struct http_transfer *transfer = &exchange->transfer;
    if (!transfer->answered && !transfer->done &&
        !http_transfer_drive(transfer, is_answered, exchange, err)) {
        return false;
    }
    if (!transfer->answered) {
        return !http_transfer_result(transfer, err)
                   ? false
                   : error_set(err, "protocol", "%s: there was no answer", transfer->what);
    }
    *status = transfer->status;
    return true;
}

struct slice http_exchange_head(const struct http_exchange *exchange) {
    return buffer_slice(&exchange->transfer.head);
}

static bool has_backlog(const void *context) {
    return backlog(context) > 0;
}

bool http_exchange_read(struct http_exchange *exchange, void *data, size_t size, size_t *got,
                        struct error *err) {
    struct http_transfer *transfer = &exchange->transfer;
    *got = 0;
    if (backlog(exchange) == 0 && !transfer->done) {
        if (is_refused(exchange)) {
            exchange->body_finished = true;
            resume_sending(exchange);
        }
        if (exchange->receiving_paused) {
            exchange->receiving_paused = false;
            resume(exchange); // May bring something by itself.
        }
        if (backlog(exchange) == 0 && !http_transfer_drive(transfer, has_backlog, exchange, err)) {
            return false;
        }
    }
    const size_t length = backlog(exchange) < size ? backlog(exchange) : size;
    if (length == 0) {
        return !transfer->done || http_transfer_result(transfer, err);
    }
    memcpy(data, exchange->incoming.data + exchange->incoming_read, length);
    exchange->incoming_read += length;
    *got = length;
    return true;
}
