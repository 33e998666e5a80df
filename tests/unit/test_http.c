// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http.h"
#include "common/http/http_head.h"
#include "common/system/files.h"
#include "scripted_server.h"

// --- Common ------------------------------------------------------------------------------------

static struct error err;
static struct http_client *client;
static struct http_response response;
static struct fake_clock fake;

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    fake_clock_init(&fake, 1700000000000);
    const struct http_client_options options = {
        .allow_http = true, .no_proxy = true, .clock = &fake.clock};
    client = http_client_new(&options);
    http_response_init(&response, 1 << 20);
}

static void tear_down(void) {
    http_response_clean_up(&response);
    http_client_destroy(client);
}

static struct http_request get(void) {
    return (struct http_request){.method = "GET", .url = server.url, .timeout_ms = 60000};
}

static bool request_has(size_t index, const char *text) {
    return strstr(buffer_text(&server.requests[index]), text) != NULL;
}

#define OK_ANSWER                                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name:  va lue \r\nx-name: 2\r\n\r\nhello"

// --- Whole requests ----------------------------------------------------------------------------

START_TEST(sends_a_request_and_reads_the_answer) {
    const struct scripted script[] = {{.answer = OK_ANSWER}, {.answer = OK_ANSWER}};
    START(script);
    const struct http_header headers[] = {{SLICE("X-A"), SLICE("b c")}, {SLICE("X-E"), SLICE("")}};
    struct http_request request = get();
    request.headers = headers;
    request.header_count = 2;
    ck_assert_msg(http_send(client, &request, NULL, &response, &err), "%s", err.message);
    ck_assert_int_eq(response.status, 200);
    ck_assert_str_eq(buffer_text(&response.body), "hello");
    struct slice value;
    ck_assert(http_response_header(&response, "X-NAME", &value));
    ck_assert(slice_equal(value, SLICE("va lue")));
    ck_assert(!http_response_header(&response, "X-Nam", &value));
    request.method = "POST";
    request.body = SLICE("a\0b");
    ck_assert(http_send(client, &request, NULL, &response, &err));
    ck_assert(request_has(0, "GET /path?secret=1 HTTP/1.1\r\n"));
    ck_assert(request_has(0, "\r\nX-A: b c\r\n"));
    ck_assert(request_has(0, "\r\nX-E:\r\n"));
    ck_assert(request_has(0, "\r\nUser-Agent: runlet/"));
    ck_assert(request_has(1, "\r\nContent-Length: 3\r\n"));
    ck_assert(!request_has(1, "Expect"));
    ck_assert(!request_has(1, "Content-Type"));
    ck_assert(slice_ends_with(buffer_slice(&server.requests[1]), SLICE("\r\n\r\na\0b")));
    ck_assert_uint_eq(server.connections, 1);
    stop_server();
}
END_TEST

START_TEST(sends_an_empty_body_where_the_method_has_one) {
    const struct scripted script[] = {{.answer = OK_ANSWER}, {.answer = OK_ANSWER}};
    START(script);
    struct http_request request = get();
    request.method = "PUT";
    ck_assert(http_send(client, &request, NULL, &response, &err));
    request.method = "DELETE";
    ck_assert(http_send(client, &request, NULL, &response, &err));
    ck_assert(request_has(0, "PUT /path"));
    ck_assert(request_has(0, "Content-Length: 0\r\n"));
    ck_assert(request_has(1, "DELETE /path"));
    stop_server();
}
END_TEST

START_TEST(takes_no_answer_over_the_limit) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n",
         .filler = 2000000,
         .close = true}};
    START(script);
    const struct http_request request = get();
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "too_large");
    ck_assert_ptr_null(strstr(err.message, "secret"));
    stop_server();
}
END_TEST

START_TEST(names_what_went_wrong_without_the_query) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", .close = true},
        {.answer = NULL, .close = true},
        {.answer = "nonsense\r\n\r\n", .close = true},
        {.answer = NULL, .delay_ms = 60000, .close = true},
        {.answer = NULL, .delay_ms = 60000, .close = true}};
    START(script);
    struct http_request request = get();
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "cut");
    cleanup_free char *prefix = xasprintf("GET http://127.0.0.1:%d/path: ", server.port);
    ck_assert(slice_starts_with(slice_text(err.message), slice_text(prefix)));
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "cut");
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "protocol");
    request.timeout_ms = 200;
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "timeout");
    request.timeout_ms = 0;
    request.stall_timeout_ms = 200;
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "timeout");
    stop_server();
    request = get();
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "connect");
    request.url = "http://no-such-host.invalid/";
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "dns");
    request.deadline_ms = fake.now_ms;
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "timeout");
}
END_TEST

START_TEST(refuses_urls_and_headers_that_it_should_not_use) {
    const char *const urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1",   "",
                                "http://",          "http://a b/",        "http://[::1/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct http_request request = {.method = "GET", .url = urls[i]};
        ck_assert(!http_send(client, &request, NULL, &response, &err));
        ck_assert_msg(error_is(&err, "url"), "%s: %s %s", urls[i], err.code, err.message);
    }
    const struct http_client_options strict = {.no_proxy = true};
    cleanup_http_client struct http_client *https_only = http_client_new(&strict);
    struct http_request request = {.method = "GET", .url = "http://127.0.0.1:1/"};
    ck_assert(!http_send(https_only, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "url");
    const struct http_header bad[] = {{SLICE("A"), SLICE("b\r\nC: d")},
                                      {SLICE("A B"), SLICE("c")},
                                      {SLICE(""), SLICE("c")},
                                      {SLICE("A"), SLICE("\0")}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.headers = &bad[i];
        request.header_count = 1;
        ck_assert(!http_send(client, &request, NULL, &response, &err));
        ck_assert_str_eq(err.code, "protocol");
    }
}
END_TEST

static void count_attempt(void *context, const struct http_attempt *attempt) {
    unsigned *count = context;
    (*count)++;
    ck_assert_uint_eq(attempt->number, *count);
}

START_TEST(sends_again_with_growing_pauses) {
    const struct scripted script[] = {
        // Closed, as libcurl itself tries again on a kept connection that was closed under it.
        {.answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
         .close = true},
        {.answer = NULL, .close = true},
        {.answer = "HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n"},
        {.answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\nRetry-After: 700\r\n\r\n"},
        {.answer = OK_ANSWER}};
    START(script);
    unsigned count = 0;
    const struct http_retry retry = {.attempts = 9,
                                     .base_ms = 1000,
                                     .cap_ms = 3000,
                                     .retry_after_cap_ms = 20000,
                                     .notify = count_attempt,
                                     .context = &count};
    const struct http_request request = get();
    ck_assert_msg(http_send(client, &request, &retry, &response, &err), "%s", err.message);
    ck_assert_int_eq(response.status, 200);
    ck_assert_uint_eq(count, 4);
    // The fake clock's jitter is 0: half of 1000, half of 2000, then what was asked for.
    ck_assert_int_eq(fake.slept_ms, 500 + 1000 + 7000 + 20000);
    stop_server();
}
END_TEST

START_TEST(gives_the_last_answer_when_attempts_or_time_are_over) {
    const struct scripted script[] = {{.answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"},
                                      {.answer = "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"},
                                      {.answer = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"},
                                      {.answer =
                                           "HTTP/1.1 500 No\r\nContent-Length: 0\r\n"
                                           "Retry-After: Tue, 14 Nov 2023 22:15:00 GMT\r\n\r\n"}};
    START(script);
    fake.random = UINT32_MAX;
    const struct http_retry retry = {
        .attempts = 2, .base_ms = 1000, .cap_ms = 3000, .retry_after_cap_ms = 1000000};
    struct http_request request = get();
    ck_assert(http_send(client, &request, &retry, &response, &err));
    ck_assert_int_eq(response.status, 502);
    ck_assert_int_eq(fake.slept_ms, 1000);
    ck_assert(http_send(client, &request, &retry, &response, &err));
    ck_assert_int_eq(response.status, 404);
    // The date lies beyond the deadline: no use in waiting.
    request.deadline_ms = fake.now_ms + 30000;
    ck_assert(http_send(client, &request, &retry, &response, &err));
    ck_assert_int_eq(response.status, 500);
    ck_assert_int_eq(fake.slept_ms, 1000);
    int64_t wait_ms = 0;
    ck_assert(http_response_retry_after(&response, &fake.clock, &wait_ms));
    ck_assert_int_eq(wait_ms, 99000);
    stop_server();
}
END_TEST

START_TEST(is_canceled_by_a_descriptor) {
    const struct scripted script[] = {{.answer = NULL, .delay_ms = 60000, .close = true}};
    START(script);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    struct http_request request = get();
    request.cancel_fd = fds[0];
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    const struct http_retry retry = {.attempts = 5, .base_ms = 1000, .cap_ms = 3000};
    ck_assert(!http_send(client, &request, &retry, &response, &err));
    ck_assert_str_eq(err.code, "canceled");
    ck_assert_uint_eq(fake.sleeps, 0);
    stop_server();
}
END_TEST

static void *write_soon(void *descriptor) {
    clock_sleep_ms(clock_system(), 100, 0);
    return write(*(int *)descriptor, "x", 1) == 1 ? NULL : "failed";
}

START_TEST(is_canceled_while_it_waits) {
    const struct scripted script[] = {{.answer = NULL, .delay_ms = 60000, .close = true}};
    START(script);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, write_soon, &fds[1]), 0);
    struct http_request request = get();
    request.cancel_fd = fds[0];
    const int64_t start = clock_monotonic_ms(clock_system());
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "canceled");
    ck_assert_int_lt(clock_monotonic_ms(clock_system()) - start, 30000);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    stop_server();
}
END_TEST

START_TEST(reads_no_body_where_there_is_none) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
        {.answer = "HTTP/1.1 304 No\r\nContent-Length: 500\r\n\r\n"},
        {.answer = "HTTP/1.1 200 OK\r\n\r\nto the end", .close = true}};
    START(script);
    struct http_request request = get();
    request.method = "HEAD";
    ck_assert_msg(http_send(client, &request, NULL, &response, &err), "%s", err.message);
    ck_assert_uint_eq(response.body.len, 0);
    request.method = "GET";
    ck_assert(http_send(client, &request, NULL, &response, &err));
    ck_assert_int_eq(response.status, 304);
    ck_assert(http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(buffer_text(&response.body), "to the end");
    stop_server();
}
END_TEST

START_TEST(goes_by_a_proxy_only_where_told) {
    const struct scripted script[] = {{.answer = OK_ANSWER}};
    START(script);
    cleanup_free char *proxy = xasprintf("http://127.0.0.1:%d", server.port);
    ck_assert_int_eq(setenv("http_proxy", proxy, 1), 0);
    const struct http_request request = {.method = "GET", .url = "http://gitlab.invalid/x?y"};
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "dns");
    const struct http_client_options options = {.allow_http = true};
    cleanup_http_client struct http_client *with_proxy = http_client_new(&options);
    ck_assert_msg(http_send(with_proxy, &request, NULL, &response, &err), "%s", err.message);
    ck_assert(request_has(0, "GET http://gitlab.invalid/x?y HTTP/1.1\r\n"));
    ck_assert_int_eq(unsetenv("http_proxy"), 0);
    stop_server();
}
END_TEST

START_TEST(follows_redirects_only_where_told) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 302 Go\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 302 Go\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"},
        {.answer = OK_ANSWER},
        {.answer = "HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"}};
    START(script);
    struct http_request request = get();
    ck_assert(http_send(client, &request, NULL, &response, &err));
    ck_assert_int_eq(response.status, 302);
    request.max_redirects = 1;
    ck_assert(http_send(client, &request, NULL, &response, &err));
    ck_assert_int_eq(response.status, 200);
    ck_assert(request_has(2, "GET /other "));
    ck_assert(!http_send(client, &request, NULL, &response, &err));
    ck_assert_str_eq(err.code, "url");
    stop_server();
}
END_TEST

START_TEST(takes_given_addresses_instead_of_a_look_up) {
    const struct scripted script[] = {{.answer = OK_ANSWER}};
    START(script);
    const struct http_host hosts[] = {{"gitlab.test", "127.0.0.1"}};
    const struct http_client_options options = {
        .allow_http = true, .no_proxy = true, .hosts = hosts, .host_count = 1};
    cleanup_http_client struct http_client *with_hosts = http_client_new(&options);
    cleanup_free char *url = xasprintf("http://gitlab.test:%d/x", server.port);
    const struct http_request request = {.method = "GET", .url = url};
    ck_assert_msg(http_send(with_hosts, &request, NULL, &response, &err), "%s", err.message);
    ck_assert(request_has(0, "Host: gitlab.test:"));
    stop_server();
}
END_TEST

// --- Exchanges ---------------------------------------------------------------------------------

static void send_all(struct http_exchange *exchange, size_t size) {
    static char block[100000];
    memset(block, 'y', sizeof(block));
    while (size > 0) {
        const size_t step = size < sizeof(block) ? size : sizeof(block);
        ck_assert_msg(http_exchange_send(exchange, slice_make(block, step), &err), "%s",
                      err.message);
        size -= step;
    }
}

static size_t read_all(struct http_exchange *exchange, size_t step) {
    cleanup_free char *data = xmalloc(step);
    size_t total = 0;
    size_t got = 0;
    do {
        ck_assert_msg(http_exchange_read(exchange, data, step, &got, &err), "%s", err.message);
        // An assertion for each byte would take minutes.
        size_t same = 0;
        while (same < got && data[same] == 'x') {
            same++;
        }
        ck_assert_uint_eq(same, got);
        total += got;
    } while (got > 0);
    return total;
}

enum { MANY = 30 * 1000 * 1000 };

START_TEST(streams_both_ways) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 30000000\r\n"
                   "X-A: b\r\nX-C: d\r\n\r\n",
         .filler = MANY},
        {.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nxxx\r\n2\r\nxx\r\n0\r\n\r\n"},
        {.answer = "HTTP/1.1 204 No\r\n\r\n"}};
    START(script);
    struct http_request request = {.method = "POST", .url = server.url, .stall_timeout_ms = 60000};
    struct http_exchange *exchange = http_exchange_start(client, &request, MANY, &err);
    ck_assert_msg(exchange != NULL, "%s", err.message);
    send_all(exchange, MANY);
    ck_assert(!http_exchange_answered(exchange));
    ck_assert(http_exchange_finish_body(exchange, &err));
    int status = 0;
    ck_assert_msg(http_exchange_status(exchange, &status, &err), "%s", err.message);
    ck_assert_int_eq(status, 201);
    struct slice rest = {0};
    struct slice name;
    struct slice value;
    cleanup_buffer struct buffer all = BUFFER_INIT(1000);
    while (http_head_next(http_exchange_head(exchange), &rest, &name, &value)) {
        buffer_appendf(&all, "%" SLICE_FORMAT "=%" SLICE_FORMAT ";", SLICE_ARGUMENTS(name),
                       SLICE_ARGUMENTS(value));
    }
    ck_assert_str_eq(buffer_text(&all), "Content-Length=30000000;X-A=b;X-C=d;");
    ck_assert_uint_eq(read_all(exchange, 10000), MANY);
    http_exchange_destroy(exchange);

    request.method = "PATCH";
    exchange = http_exchange_start(client, &request, HTTP_BODY_CHUNKED, &err);
    send_all(exchange, 250000);
    ck_assert(http_exchange_send(exchange, SLICE(""), &err));
    ck_assert(http_exchange_finish_body(exchange, &err));
    ck_assert(http_exchange_status(exchange, &status, &err));
    ck_assert_uint_eq(read_all(exchange, 100000), 5);
    http_exchange_destroy(exchange);

    request.method = "GET";
    exchange = http_exchange_start(client, &request, HTTP_BODY_NONE, &err);
    ck_assert(http_exchange_status(exchange, &status, &err));
    ck_assert_int_eq(status, 204);
    ck_assert_uint_eq(read_all(exchange, 10), 0);
    http_exchange_destroy(exchange);
    ck_assert_uint_eq(server.body_sizes[0], MANY);
    ck_assert_uint_gt(server.body_sizes[1], 250000);
    ck_assert(request_has(1, "Transfer-Encoding: chunked\r\n"));
    ck_assert_uint_eq(server.connections, 1);
    stop_server();
}
END_TEST

START_TEST(sees_an_answer_that_comes_before_the_whole_body) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", .filler = 5, .body_first = 10}};
    START(script);
    const struct http_request request = {
        .method = "POST", .url = server.url, .stall_timeout_ms = 60000};
    cleanup_http_exchange struct http_exchange *exchange =
        http_exchange_start(client, &request, HTTP_BODY_CHUNKED, &err);
    for (int i = 0; i < 10000 && !http_exchange_answered(exchange); i++) {
        ck_assert_msg(http_exchange_send(exchange, SLICE("0123456789"), &err), "%s", err.message);
        clock_sleep_ms(clock_system(), 1, 0);
    }
    ck_assert(http_exchange_answered(exchange));
    ck_assert(http_exchange_send(exchange, SLICE("more"), &err));
    int status = 0;
    ck_assert(http_exchange_status(exchange, &status, &err));
    ck_assert_int_eq(status, 403);
    ck_assert_uint_eq(read_all(exchange, 100), 5);
    stop_server();
}
END_TEST

START_TEST(tells_a_cut_answer_from_a_whole_one) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", .filler = 50, .close = true},
        {.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n",
         .close = true},
        {.answer = NULL, .close = true, .body_first = 5},
        {.answer = NULL, .close = true, .body_first = 5}};
    START(script);
    const struct http_request request = get();
    for (int i = 0; i < 2; i++) {
        cleanup_http_exchange struct http_exchange *exchange =
            http_exchange_start(client, &request, HTTP_BODY_NONE, &err);
        char data[200];
        size_t got = 0;
        size_t total = 0;
        while (http_exchange_read(exchange, data, sizeof(data), &got, &err)) {
            ck_assert_uint_gt(got, 0);
            total += got;
        }
        ck_assert_uint_eq(total, i == 0 ? 50 : 5);
        ck_assert_str_eq(err.code, "cut");
    }
    struct http_request post = get();
    post.method = "POST";
    cleanup_http_exchange struct http_exchange *exchange =
        http_exchange_start(client, &post, 10, &err);
    // Whether the end of the connection is seen at once is up to the scheduler.
    (void)http_exchange_send(exchange, SLICE("01234"), &err);
    ck_assert(!http_exchange_finish_body(exchange, &err));
    ck_assert_str_eq(err.code, "protocol");
    ck_assert(!http_exchange_send(exchange, SLICE("0123456"), &err));
    // The server has gone away: what is sent now comes back sooner or later.
    struct http_exchange *chunked = http_exchange_start(client, &post, HTTP_BODY_CHUNKED, &err);
    while (http_exchange_send(chunked, SLICE("0123456789"), &err)) {
    }
    ck_assert_str_eq(err.code, "cut");
    http_exchange_destroy(chunked);
    stop_server();
}
END_TEST

START_TEST(gives_up_where_nothing_moves) {
    const struct scripted script[] = {
        {.answer = NULL, .body_first = 10, .delay_ms = 2000, .close = true},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", .filler = 5},
        {.answer = "never asked for"}};
    START(script);
    struct http_request request = get();
    request.method = "POST";
    request.stall_timeout_ms = 300;
    struct http_exchange *exchange = http_exchange_start(client, &request, MANY, &err);
    static char block[MANY];
    ck_assert(!http_exchange_send(exchange, slice_make(block, sizeof(block)), &err));
    ck_assert_str_eq(err.code, "timeout");
    http_exchange_destroy(exchange);

    request.method = "GET";
    request.stall_timeout_ms = 4000;
    exchange = http_exchange_start(client, &request, HTTP_BODY_NONE, &err);
    char data[100];
    size_t got = 0;
    size_t total = 0;
    while (http_exchange_read(exchange, data, sizeof(data), &got, &err)) {
        total += got;
    }
    ck_assert_uint_eq(total, 5);
    ck_assert_str_eq(err.code, "timeout");
    http_exchange_destroy(exchange);
    stop_server();
}
END_TEST

START_TEST(can_be_left_in_the_middle) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n",
         .filler = MANY,
         .close = true},
        {.answer = OK_ANSWER}};
    START(script);
    const struct http_request request = get();
    struct http_exchange *exchange = http_exchange_start(client, &request, HTTP_BODY_NONE, &err);
    char data[100];
    size_t got = 0;
    ck_assert(http_exchange_read(exchange, data, sizeof(data), &got, &err));
    ck_assert_uint_eq(got, 100);
    http_exchange_destroy(exchange);
    ck_assert_msg(http_send(client, &request, NULL, &response, &err), "%s", err.message);
    stop_server();
}
END_TEST

// --- Downloads ---------------------------------------------------------------------------------

static int64_t last_total;
static void note_progress(void *context, int64_t received, int64_t total) {
    int64_t *last = context;
    ck_assert_int_ge(received, 0);
    *last = received;
    last_total = total;
}

START_TEST(goes_on_where_a_download_was_cut) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nETag: \"v1\"\r\n\r\n",
         .filler = 60000,
         .close = true},
        {.answer = "HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nno!"},
        {.answer = "HTTP/1.1 206 Part\r\nContent-Range: bytes 60000-99999/100000\r\n"
                   "Content-Length: 40000\r\n\r\n",
         .filler = 40000}};
    START(script);
    char path[] = "/tmp/test_http.XXXXXX";
    cleanup_close int fd = mkstemp(path);
    int64_t last = 0;
    const struct http_download download = {.fd = fd, .progress = note_progress, .context = &last};
    const struct http_retry retry = {.attempts = 5, .base_ms = 10, .cap_ms = 10};
    const struct http_request request = get();
    ck_assert_msg(http_download(client, &request, &retry, &download, &err), "%s", err.message);
    ck_assert_int_eq(last, 100000);
    ck_assert_int_eq(last_total, 100000);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 100000);
    ck_assert(!request_has(0, "Range"));
    ck_assert(request_has(2, "\r\nRange: bytes=60000-\r\n"));
    ck_assert(request_has(2, "\r\nIf-Range: \"v1\"\r\n"));
    cleanup_buffer struct buffer content = BUFFER_INIT(200000);
    ck_assert(files_read(path, &content, &err));
    ck_assert_uint_eq(strspn(buffer_text(&content), "x"), 100000);
    ck_assert_int_eq(unlink(path), 0);
    stop_server();
}
END_TEST

START_TEST(begins_anew_where_the_file_has_changed) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", .filler = 10},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", .filler = 20},
        {.answer = "HTTP/1.1 206 OK\r\nContent-Range: bytes 1-2/3\r\nContent-Length: 2\r\n\r\nab"},
        {.answer = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", .filler = 20, .close = true}};
    START(script);
    char path[] = "/tmp/test_http.XXXXXX";
    cleanup_close int fd = mkstemp(path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ftruncate(fd, 500), 0);
    struct http_download download = {.fd = fd, .resume_from = 500, .max_size = 1000};
    const struct http_request request = get();
    ck_assert_msg(http_download(client, &request, NULL, &download, &err), "%s", err.message);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 10);
    download.resume_from = 10;
    ck_assert(http_download(client, &request, NULL, &download, &err));
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 20);
    ck_assert(!http_download(client, &request, NULL, &download, &err));
    ck_assert_str_eq(err.code, "status");
    ck_assert_ptr_nonnull(strstr(err.message, "404"));
    download.resume_from = 0;
    download.max_size = 19;
    ck_assert(!http_download(client, &request, NULL, &download, &err));
    ck_assert_str_eq(err.code, "too_large");
    stop_server();
}
END_TEST

// --- TLS ---------------------------------------------------------------------------------------

/// A context with a fresh certificate for 127.0.0.1, which is also written to `path`.
static SSL_CTX *make_tls(const char *path) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ck_assert_ptr_nonnull(key);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE *file = fopen(path, "w");
    ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    fclose(file);
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(tls, certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}

/// Sends one request with that extra CA file (may be NULL).
static bool try_tls(const char *extra_ca_file) {
    struct http_trust *trust = http_trust_new(extra_ca_file);
    const struct http_client_options options = {.trust = trust, .no_proxy = true};
    struct http_client *with_trust = http_client_new(&options);
    const struct http_request request = get();
    const bool sent = http_send(with_trust, &request, NULL, &response, &err);
    http_client_destroy(with_trust);
    http_trust_destroy(trust);
    return sent;
}

START_TEST(trusts_the_systems_certificates_and_the_extra_ones) {
    char folder[] = "/tmp/test_http.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    cleanup_free char *theirs = xasprintf("%s/theirs.pem", folder);
    cleanup_free char *other = xasprintf("%s/other.pem", folder);
    cleanup_free char *empty = xasprintf("%s/empty.pem", folder);
    SSL_CTX *tls = make_tls(theirs);
    SSL_CTX_free(make_tls(other));
    ck_assert(files_write_atomically(empty, SLICE(""), 0644, &err));
    const struct scripted script[] = {{.answer = OK_ANSWER, .close = true},
                                      {.answer = OK_ANSWER, .close = true}};
    start_server(script, 2, tls);

    ck_assert_int_eq(setenv("SSL_CERT_FILE", other, 1), 0);
    ck_assert_str_eq(http_system_ca_file(), other);
    ck_assert(!try_tls(NULL));
    ck_assert_str_eq(err.code, "certificate");
    ck_assert_msg(try_tls(theirs), "%s", err.message);
    ck_assert_int_eq(setenv("SSL_CERT_FILE", theirs, 1), 0);
    ck_assert_msg(try_tls(other), "%s", err.message);
    ck_assert(!try_tls(empty));
    ck_assert_str_eq(err.code, "certificate");
    ck_assert_ptr_nonnull(strstr(err.message, empty));
    ck_assert(!try_tls("/no/such/file"));
    ck_assert_str_eq(err.code, "certificate");
    ck_assert_ptr_nonnull(strstr(err.message, "/no/such/file"));

    ck_assert_int_eq(unsetenv("SSL_CERT_FILE"), 0);
    stop_server();
    SSL_CTX_free(tls);
    ck_assert(files_remove_tree(folder, 0, &err));
}
END_TEST

// --- URLs --------------------------------------------------------------------------------------

START_TEST(knows_loopback) {
    ck_assert(http_url_is_loopback("http://127.0.0.1:80/x"));
    ck_assert(http_url_is_loopback("http://127.1.2.3"));
    ck_assert(http_url_is_loopback("https://LOCALHOST/"));
    ck_assert(http_url_is_loopback("http://[::1]:8080/"));
    ck_assert(http_url_is_loopback("http://user:127@127.0.0.1/"));
    ck_assert(!http_url_is_loopback("http://127.0.0.1@example.com/"));
    ck_assert(!http_url_is_loopback("http://127.0.0.1.example.com/"));
    ck_assert(!http_url_is_loopback("http://localhost.example.com/"));
    ck_assert(!http_url_is_loopback("http://128.0.0.1/"));
    ck_assert(!http_url_is_loopback("ftp://127.0.0.1/"));
    ck_assert(!http_url_is_loopback("nonsense"));
    ck_assert(!http_url_is_loopback(""));
}
END_TEST

START_TEST(shows_urls_without_what_is_secret) {
    static const char *const cases[][2] = {
        {"https://user:pass@host:1/a/b?token=x#y", "https://host:1/a/b"},
        {"https://host", "https://host"},
        {"https://host/a@b", "https://host/a@b"},
        {"https://u:p@ss@host?x", "https://host"},
        {"https://host/\x1b[31m", "https://host/?[31m"},
        {"host/path?x", "host/path"},
        {"a\x1b://b\xff", "a?://b?"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_buffer struct buffer text = BUFFER_INIT(100);
        http_url_append_plain(&text, cases[i][0]);
        ck_assert_str_eq(buffer_text(&text), cases[i][1]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("http");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, sends_a_request_and_reads_the_answer);
    tcase_add_test(tcase, sends_an_empty_body_where_the_method_has_one);
    tcase_add_test(tcase, takes_no_answer_over_the_limit);
    tcase_add_test(tcase, names_what_went_wrong_without_the_query);
    tcase_add_test(tcase, refuses_urls_and_headers_that_it_should_not_use);
    tcase_add_test(tcase, sends_again_with_growing_pauses);
    tcase_add_test(tcase, gives_the_last_answer_when_attempts_or_time_are_over);
    tcase_add_test(tcase, is_canceled_by_a_descriptor);
    tcase_add_test(tcase, is_canceled_while_it_waits);
    tcase_add_test(tcase, reads_no_body_where_there_is_none);
    tcase_add_test(tcase, goes_by_a_proxy_only_where_told);
    tcase_add_test(tcase, follows_redirects_only_where_told);
    tcase_add_test(tcase, takes_given_addresses_instead_of_a_look_up);
    tcase_add_test(tcase, streams_both_ways);
    tcase_add_test(tcase, sees_an_answer_that_comes_before_the_whole_body);
    tcase_add_test(tcase, tells_a_cut_answer_from_a_whole_one);
    tcase_add_test(tcase, gives_up_where_nothing_moves);
    tcase_add_test(tcase, can_be_left_in_the_middle);
    tcase_add_test(tcase, goes_on_where_a_download_was_cut);
    tcase_add_test(tcase, begins_anew_where_the_file_has_changed);
    tcase_add_test(tcase, trusts_the_systems_certificates_and_the_extra_ones);
    tcase_add_test(tcase, knows_loopback);
    tcase_add_test(tcase, shows_urls_without_what_is_secret);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
