// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_transfer.h"

#include <linux/sockios.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/http/http_head.h"

/// The least that libcurl takes.
static const long SMALL_UPLOAD_BUFFER = 16 * 1024;

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 10000,
    /// How long one wait lasts at most; libcurl's own timers and sockets end it earlier.
    LONGEST_POLL_MS = 1000,
};

// --- Headers ----------------------------------------------------------------------------------

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// "HTTP/1.1 200 OK"
static int status_of(struct slice line) {
    int64_t status = 0;
    const struct slice rest = slice_trim(slice_skip(line, slice_find(line, ' ')));
    const bool valid = slice_parse_integer(slice_make(rest.data, slice_find(rest, ' ')), &status) &&
                       status >= 100 && status <= 999;
    return valid ? (int)status : 0;
}

/// Called by libcurl with one header line at a time, of every answer on the way.
static size_t take_header(char *data, size_t size, size_t count, void *user) {
    struct http_transfer *transfer = user;
    const size_t length = size * count;
    const struct slice line = slice_trim(slice_make(data, length));
    transfer->received += (int64_t)length;
    if (!transfer->answered && slice_starts_with(line, SLICE("HTTP/"))) {
        buffer_reset(&transfer->head);
        transfer->status = status_of(line);
        return length;
    }
    if (line.len == 0) {
        transfer->answered = transfer->status >= 200 &&
                             !(transfer->follows_redirects && is_redirect(transfer->status));
        return length;
    }
    if (!buffer_append(&transfer->head, line) || !buffer_append_byte(&transfer->head, '\n')) {
        error_set(&transfer->failure, "too_large", "the answer's headers are larger than %d bytes",
                  HTTP_LARGEST_HEAD);
        return 0;
    }
    return length;
}

static size_t take_body(char *data, size_t size, size_t count, void *user) {
    struct http_transfer *transfer = user;
    const size_t taken = transfer->take_body(transfer->context, data, size * count);
    transfer->received += taken != CURL_WRITEFUNC_PAUSE ? (int64_t)taken : 0;
    return taken;
}

static void add_line(struct http_transfer *transfer, const char *line) {
    transfer->header_lines = curl_slist_append(transfer->header_lines, line);
    if (!transfer->header_lines) {
        abort();
    }
}

static bool set_headers(struct http_transfer *transfer, const struct http_request *request,
                        struct error *err) {
    bool has_type = false;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (!http_header_is_valid(header->name, header->value)) {
            return error_set(err, "protocol", "header %zu has a character that is not allowed",
                             i + 1);
        }
        has_type = has_type || slice_equal_ignoring_case(header->name, SLICE("Content-Type"));
        cleanup_buffer struct buffer line =
            BUFFER_INIT_SENSITIVE(header->name.len + header->value.len + 2);
        buffer_append(&line, header->name);
        // libcurl's way to write a header without a value.
        buffer_append_text(&line, header->value.len > 0 ? ": " : ";");
        buffer_append(&line, header->value);
        add_line(transfer, buffer_text(&line));
    }
    // Not ours: what libcurl would add by itself.
    add_line(transfer, "Expect:");
    if (!has_type) {
        add_line(transfer, "Content-Type:");
    }
    return true;
}

static void wipe_list(struct curl_slist *list) {
    for (struct curl_slist *item = list; item; item = item->next) {
        OPENSSL_cleanse(item->data, strlen(item->data));
    }
    curl_slist_free_all(list);
}

// --- Start and end ----------------------------------------------------------------------------

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static bool set_timeouts(struct http_transfer *transfer, const struct http_request *request,
                         struct error *err) {
    int64_t left = clock_left_ms(http_client_clock(transfer->client), request->deadline_ms);
    if (request->timeout_ms > 0) {
        left = smaller(left, request->timeout_ms);
    }
    if (left <= 0) {
        return error_set(err, "timeout", "no time is left");
    }
    const int64_t connect =
        request->connect_timeout_ms > 0 ? request->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    // libcurl counts in int milliseconds inside.
    const int64_t most = INT32_MAX / 2;
    if (left != INT64_MAX) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)smaller(left, most));
    }
    (void)curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)smaller(connect, most));
    transfer->stall_timeout_ms = request->stall_timeout_ms;
    return true;
}

static char *describe(const struct http_request *request) {
    cleanup_buffer struct buffer text = BUFFER_INIT(512);
    buffer_appendf(&text, "%s ", request->method);
    http_url_append_plain(&text, request->url);
    return xstrdup(buffer_text(&text));
}

bool http_transfer_init(struct http_transfer *transfer, struct http_client *client,
                        const struct http_request *request, struct error *err) {
    *transfer = (struct http_transfer){
        .client = client,
        .easy = curl_easy_init(),
        .what = describe(request),
        .head = BUFFER_INIT(HTTP_LARGEST_HEAD),
        .follows_redirects = request->max_redirects > 0,
        .cancel_fd = request->cancel_fd,
    };
    CURL *easy = transfer->easy;
    if (!easy) {
        abort();
    }
    // libcurl makes one for each transfer, and all of it is wiped after that.
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SMALL_UPLOAD_BUFFER);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    if (request->max_redirects > 0) {
        (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)request->max_redirects);
    }
    if (!http_client_prepare(client, transfer, request->url, err) ||
        !set_headers(transfer, request, err) || !set_timeouts(transfer, request, err)) {
        return error_prefix(err, "%s", transfer->what);
    }
    return true;
}

bool http_transfer_start(struct http_transfer *transfer, struct error *err) {
    (void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->header_lines);
    const CURLMcode result =
        curl_multi_add_handle(http_client_multi(transfer->client), transfer->easy);
    if (result != CURLM_OK) {
        return error_set(err, "protocol", "%s: %s", transfer->what, curl_multi_strerror(result));
    }
    return true;
}

void http_transfer_clean_up(struct http_transfer *transfer) {
    if (!transfer->easy) {
        return;
    }
    // Without effect for one that was never added.
    (void)curl_multi_remove_handle(http_client_multi(transfer->client), transfer->easy);
    curl_easy_cleanup(transfer->easy);
    wipe_list(transfer->header_lines);
    curl_slist_free_all(transfer->resolve);
    buffer_clean_up(&transfer->head);
    free(transfer->what);
    *transfer = (struct http_transfer){0};
}

// --- The drive --------------------------------------------------------------------------------

/// Notes which transfers are over, whichever of the client's they are.
static void note_ends(CURLM *multi) {
    int left = 0;
    const CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(multi, &left))) {
        void *private = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) == CURLE_OK) {
            struct http_transfer *transfer = private;
            transfer->done = true;
            transfer->result = message->data.result;
            // A redirect without a target was the last answer after all.
            transfer->answered = transfer->answered || transfer->status >= 200;
        }
    }
}

static bool is_readable(int fd) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return fd > 0 && poll(&ready, 1, 0) > 0;
}

/// What the other side has not acknowledged yet, of all the client's transfers. libcurl does not
/// tell a transfer's socket while it is under way, but it tells which sockets it waits for.
static int64_t unacknowledged(CURLM *multi) {
    fd_set reading;
    fd_set writing;
    fd_set exceptional;
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_ZERO(&exceptional);
    int highest = -1;
    (void)curl_multi_fdset(multi, &reading, &writing, &exceptional, &highest);
    int64_t total = 0;
    for (int fd = 0; fd <= highest; fd++) {
        int queued = 0;
        if ((FD_ISSET(fd, &reading) || FD_ISSET(fd, &writing)) &&
            ioctl(fd, SIOCOUTQ, &queued) == 0) {
            total += queued;
        }
    }
    return total;
}

/// Everything that moved between the two sides: what came to us, and what arrived over there. That
/// the kernel takes some more into its buffers (megabytes, in small bites) is no progress.
static int64_t activity(const struct http_transfer *transfer) {
    curl_off_t uploaded = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    return transfer->received + uploaded - unacknowledged(http_client_multi(transfer->client));
}

/// Watches over one wait: how long nothing has moved.
struct stall {
    int64_t limit_ms;
    int64_t most;
    int64_t last_move_ms;
};

/// What is left until it has lasted too long; INT64_MAX where there is no limit.
static int64_t stall_left_ms(struct stall *stall, const struct http_transfer *transfer) {
    if (stall->limit_ms <= 0) {
        return INT64_MAX;
    }
    // The time of the real network, whatever clock is injected.
    const int64_t now_ms = clock_monotonic_ms(clock_system());
    const int64_t moved = activity(transfer);
    if (stall->last_move_ms == 0 || moved > stall->most) {
        stall->most = moved;
        stall->last_move_ms = now_ms;
    }
    return stall->limit_ms - (now_ms - stall->last_move_ms);
}

bool http_transfer_drive(struct http_transfer *transfer, bool (*reached)(const void *context),
                         const void *context, struct error *err) {
    CURLM *multi = http_client_multi(transfer->client);
    struct stall stall = {.limit_ms = transfer->stall_timeout_ms};
    for (;;) {
        if (is_readable(transfer->cancel_fd)) {
            return error_set(err, "canceled", "%s: canceled", transfer->what);
        }
        int running = 0;
        CURLMcode result = curl_multi_perform(multi, &running);
        note_ends(multi);
        if (transfer->done || (reached && reached(context))) {
            return true;
        }
        const int64_t left_ms = stall_left_ms(&stall, transfer);
        if (left_ms <= 0) {
            return error_set(err, "timeout", "%s: nothing moved for %lld ms", transfer->what,
                             (long long)transfer->stall_timeout_ms);
        }
        struct curl_waitfd cancel = {.fd = transfer->cancel_fd, .events = CURL_WAIT_POLLIN};
        if (result == CURLM_OK) {
            result = curl_multi_poll(multi, &cancel, transfer->cancel_fd > 0 ? 1 : 0,
                                     (int)smaller(LONGEST_POLL_MS, left_ms), NULL);
        }
        if (result != CURLM_OK) {
            return error_set(err, "protocol", "%s: %s", transfer->what,
                             curl_multi_strerror(result));
        }
    }
}

static const char *code_of(CURLcode result) {
    static const struct {
        CURLcode result;
        const char *code;
    } codes[] = {
        {CURLE_URL_MALFORMAT, "url"},
        {CURLE_UNSUPPORTED_PROTOCOL, "url"},
        {CURLE_COULDNT_RESOLVE_HOST, "dns"},
        {CURLE_COULDNT_RESOLVE_PROXY, "dns"},
        {CURLE_COULDNT_CONNECT, "connect"},
        {CURLE_OPERATION_TIMEDOUT, "timeout"},
        {CURLE_PEER_FAILED_VERIFICATION, "certificate"},
        {CURLE_SSL_CACERT_BADFILE, "certificate"},
        {CURLE_SSL_CONNECT_ERROR, "tls"},
        {CURLE_SSL_CERTPROBLEM, "tls"},
        {CURLE_SSL_CIPHER, "tls"},
        {CURLE_GOT_NOTHING, "cut"},
        {CURLE_PARTIAL_FILE, "cut"},
        {CURLE_SEND_ERROR, "cut"},
        {CURLE_RECV_ERROR, "cut"},
        // A kept connection was closed under a body that cannot be sent once more.
        {CURLE_SEND_FAIL_REWIND, "cut"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        if (codes[i].result == result) {
            return codes[i].code;
        }
    }
    return "protocol";
}

bool http_transfer_result(const struct http_transfer *transfer, struct error *err) {
    if (transfer->result == CURLE_OK) {
        return true;
    }
    // Also for an answer that is no HTTP/1.x; else it is a redirect to a protocol not allowed.
    const bool no_http = transfer->result == CURLE_UNSUPPORTED_PROTOCOL && transfer->status == 0;
    if (transfer->failure.code[0] != '\0') {
        *err = transfer->failure;
        return error_prefix(err, "%s", transfer->what);
    }
    return error_set(err, no_http ? "protocol" : code_of(transfer->result), "%s: %s",
                     transfer->what,
                     transfer->curl_error[0] != '\0' ? transfer->curl_error
                                                     : curl_easy_strerror(transfer->result));
}
