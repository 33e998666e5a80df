// SPDX-License-Identifier: Apache-2.0
// The server by itself, with a shop for its context. How it stands a crowd of strangers is tested
// with the broker, too, in tests/integration/test_broker_passage.py.
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/http/http.h"
#include "common/http/http_head.h"
#include "common/http/http_server.h"

enum { LARGEST_NOTE = 16, LONG = 300000 };

/// What the routes share.
struct shop {
    const char *name;
    /// Readable: whoever waits goes on.
    int go_on;
    atomic_int waiting;
    atomic_int finished;
    atomic_int released;
};

static struct shop shop;
static struct http_server *server;
static struct http_client *client;
static struct http_response response;
static struct error err;

// --- Routes ------------------------------------------------------------------------------------

static bool greet(struct http_server_request *request) {
    const struct shop *here = request->context;
    struct buffer body = BUFFER_INIT(1000);
    buffer_appendf(&body, "%s;%" SLICE_FORMAT ";%" SLICE_FORMAT ";%lld", here->name,
                   SLICE_ARGUMENTS(request->path), SLICE_ARGUMENTS(request->query),
                   (long long)request->number);
    bool answered = http_server_answer(request, 200, &body);
    ck_assert_uint_eq(body.len, 0);
    return answered;
}

static bool echo(struct http_server_request *request) {
    return http_server_answer(request, 201, &request->body);
}

static void start_counting(struct http_server_request *request) {
    if (http_server_header(request, "X-Refuse").len > 0) {
        http_server_refuse(request, 403, "403 \"No\"");
    }
    request->state = xcalloc(1, sizeof(size_t));
}

static void count(struct http_server_request *request, struct slice piece) {
    *(size_t *)request->state += piece.len;
}

static bool tell_count(struct http_server_request *request) {
    struct shop *here = request->context;
    char text[32];
    here->finished++;
    snprintf(text, sizeof(text), "%zu bytes", *(size_t *)request->state);
    return http_server_answer_message(request, 200, text);
}

static void stop_counting(void *state) {
    shop.released++;
    free(state);
}

static void trust(struct http_server_request *request) {
    http_server_trust(request);
}

static bool await(struct http_server_request *request) {
    struct shop *here = request->context;
    struct pollfd go_on = {.fd = here->go_on, .events = POLLIN};
    here->waiting++;
    poll(&go_on, 1, 30000);
    return http_server_answer(request, 204, NULL);
}

static ssize_t give(struct http_server_request *request, char *data, size_t size) {
    size_t *given = request->state;
    size = size < LONG - *given ? size : LONG - *given;
    memset(data, 'x', size);
    *given += size;
    return (ssize_t)size;
}

static ssize_t give_up(struct http_server_request *request, char *data, size_t size) {
    ssize_t given = give(request, data, size < 1000 ? size : 1000);
    return *(size_t *)request->state > 5000 ? -1 : given;
}

static bool give_all(struct http_server_request *request) {
    bool known = slice_equal_text(request->query, "known");
    return http_server_answer_stream(request, 200, known ? LONG : -1, give);
}

static bool give_some(struct http_server_request *request) {
    return http_server_answer_stream(request, 200, LONG, give_up);
}

static bool pass_on(struct http_server_request *request) {
    http_server_add_header(request, SLICE("Range"), SLICE("0-9"));
    http_server_add_header(request, SLICE("X-Evil"), SLICE("a\r\nX-More: b"));
    http_server_add_header(request, SLICE("X Bad"), SLICE("c"));
    http_server_pass_headers(
        request, SLICE("range: 5-6\nETag: \"e\"\nConnection: close\nTransfer-Encoding: chunked\n"
                       "Content-Length: 77\nUpgrade: h2\nalt-svc: h3\nnonsense\nSet-Cookie: a=1\n"
                       "Set-Cookie: b=2\n"));
    struct buffer body = BUFFER_INIT(10);
    buffer_append_text(&body, "whole");
    return http_server_answer(request, 200, &body);
}

static bool say_nothing(struct http_server_request *request) {
    (void)request;
    return false;
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/hello", .finish = greet},
    {.method = "GET", .path = "/items/#/price", .finish = greet},
    {.method = "POST", .path = "/notes", .largest_body = LARGEST_NOTE, .finish = echo},
    {.method = "PUT",
     .path = "/items/#",
     .begin = start_counting,
     .take = count,
     .finish = tell_count,
     .release = stop_counting},
    {.method = "GET", .path = "/wait", .begin = trust, .finish = await},
    {.method = "GET",
     .path = "/long",
     .begin = start_counting,
     .finish = give_all,
     .release = stop_counting},
    {.method = "GET",
     .path = "/cut",
     .begin = start_counting,
     .finish = give_some,
     .release = stop_counting},
    {.method = "GET", .path = "/passed", .finish = pass_on},
    {.method = "GET", .path = "/silent", .finish = say_nothing},
    {0},
};

// --- Peers -------------------------------------------------------------------------------------

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    shop = (struct shop){.name = "corner", .go_on = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const struct http_client_options options = {.allow_http = true, .no_proxy = true};
    client = http_client_new(&options);
    http_response_init(&response, 1 << 20);
}

static void stop(void) {
    http_server_stop(server);
    server = NULL;
}

static void tear_down(void) {
    eventfd_write(shop.go_on, 1);
    http_response_clean_up(&response);
    http_client_destroy(client);
    stop();
    close(shop.go_on);
}

static void start(unsigned connections, unsigned silence_s) {
    const struct http_server_options options = {
        .routes = routes, .context = &shop, .connections = connections, .silence_s = silence_s};
    server = http_server_start(&options, &err);
    ck_assert_msg(server != NULL, "%s", err.message);
}

static bool send_with(struct http_client *by, struct http_response *to, const char *method,
                      const char *target, struct http_header header, struct slice body) {
    cleanup_free char *url = xasprintf("http://127.0.0.1:%u%s", http_server_port(server), target);
    const struct http_request request = {
        .method = method,
        .url = url,
        .headers = &header,
        .header_count = header.name.len > 0,
        .body = body,
        .timeout_ms = 30000,
    };
    struct error failure;
    bool sent = http_send(by, &request, NULL, to, &failure);
    if (by == client) {
        err = failure;
    }
    return sent;
}

static int ask(const char *method, const char *target, struct slice body) {
    bool sent = send_with(client, &response, method, target, (struct http_header){0}, body);
    ck_assert_msg(sent, "%s", err.message);
    return response.status;
}

static const char *answered(void) {
    return buffer_text(&response.body);
}

/// GET /wait, in a thread of its own; its status.
static void *wait_in_shop(void *context) {
    int *status = context;
    const struct http_client_options options = {.allow_http = true, .no_proxy = true};
    cleanup_http_client struct http_client *own = http_client_new(&options);
    cleanup_http_response struct http_response answer;
    http_response_init(&answer, 1000);
    bool sent = send_with(own, &answer, "GET", "/wait", (struct http_header){0}, SLICE(""));
    *status = sent ? answer.status : 0;
    return NULL;
}

static pthread_t start_waiting(int *status) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_in_shop, status), 0);
    for (int i = 0; i < 10000 && shop.waiting == 0; i++) {
        clock_sleep_ms(clock_system(), 1, 0);
    }
    ck_assert_msg(shop.waiting == 1, "the request did not reach its route within 10 s");
    return thread;
}

static int connect_only(void) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                        .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/// The server hangs up within the time for it.
static bool is_closed(int fd, int within_ms) {
    struct pollfd end = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&end, 1, within_ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

// --- What is served ----------------------------------------------------------------------------

START_TEST(hands_a_request_to_its_route_with_the_context) {
    start(0, 0);
    ck_assert_int_eq(ask("GET", "/hello?a=b?c", SLICE("")), 200);
    ck_assert_str_eq(answered(), "corner;/hello;a=b?c;0");
    ck_assert_int_eq(ask("GET", "/items/42/price", SLICE("")), 200);
    ck_assert_str_eq(answered(), "corner;/items/42/price;;42");
}
END_TEST

START_TEST(refuses_what_has_no_route) {
    start(0, 0);
    static const char *const methods[] = {"DELETE", "POST", "OPTIONS", "get", "BREW"};
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        ck_assert_msg(ask(methods[i], "/hello", SLICE("")) == 404, "%s", methods[i]);
        ck_assert_str_eq(answered(), "{\"message\":\"404 Not Found\"}");
    }
    static const char *const targets[] = {
        "/",          "/hello/", "//hello",         "/hell%6f",
        "/items/#",   "/items/", "/items//price",   "/items/x/price",
        "/items/4x",  "/item",   "/items/+4/price", "/items/99999999999999999999/price",
        "/items/4/p",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        ck_assert_msg(ask("GET", targets[i], SLICE("")) == 404, "%s", targets[i]);
    }
}
END_TEST

START_TEST(refuses_a_target_over_its_limit) {
    start(0, 0);
    char target[2050];
    memset(target, 'x', sizeof(target));
    memcpy(target, "/hello?", 7);
    target[2048] = '\0';
    ck_assert_int_eq(ask("GET", target, SLICE("")), 200);
    target[2048] = 'x';
    target[2049] = '\0';
    ck_assert_int_eq(ask("GET", target, SLICE("")), 404);
}
END_TEST

START_TEST(keeps_a_body_up_to_the_limit_of_its_route) {
    start(0, 0);
    ck_assert_int_eq(ask("POST", "/notes", SLICE("0123456789abcdef")), 201);
    ck_assert_str_eq(answered(), "0123456789abcdef");
    ck_assert_int_eq(ask("POST", "/notes", SLICE("0123456789abcdef!")), 413);
    ck_assert_str_eq(answered(), "{\"message\":\"413 Request Entity Too Large\"}");
    ck_assert_int_eq(ask("POST", "/notes", SLICE("")), 201);
    ck_assert_str_eq(answered(), "");
}
END_TEST

START_TEST(gives_a_body_piece_by_piece) {
    start(0, 0);
    static char body[LONG];
    ck_assert_int_eq(ask("PUT", "/items/1", slice_make(body, sizeof(body))), 200);
    ck_assert_str_eq(answered(), "{\"message\":\"300000 bytes\"}");
    struct slice type;
    ck_assert(http_response_header(&response, "Content-Type", &type));
    ck_assert(slice_equal_text(type, "application/json"));
    stop();
    ck_assert_int_eq(shop.released, 1);
}
END_TEST

START_TEST(answers_a_refusal_when_the_body_is_in) {
    start(0, 0);
    static char body[LONG];
    const struct http_header refuse = {.name = SLICE("X-Refuse"), .value = SLICE("yes")};
    ck_assert_msg(
        send_with(client, &response, "PUT", "/items/1", refuse, slice_make(body, sizeof(body))),
        "%s", err.message);
    ck_assert_int_eq(response.status, 403);
    ck_assert_str_eq(answered(), "{\"message\":\"403 \\\"No\\\"\"}");
    stop();
    ck_assert_int_eq(shop.finished, 0);
    ck_assert_int_eq(shop.released, 1);
}
END_TEST

START_TEST(streams_an_answer) {
    start(0, 0);
    ck_assert_int_eq(ask("GET", "/long?known", SLICE("")), 200);
    ck_assert_uint_eq(response.body.len, LONG);
    ck_assert_int_eq(ask("GET", "/long", SLICE("")), 200);
    ck_assert_uint_eq(response.body.len, LONG);
}
END_TEST

START_TEST(lets_the_peer_see_that_an_answer_is_cut) {
    start(0, 0);
    ck_assert(!send_with(client, &response, "GET", "/cut", (struct http_header){0}, SLICE("")));
    ck_assert_str_eq(err.code, "cut");
    ck_assert(!send_with(client, &response, "GET", "/silent", (struct http_header){0}, SLICE("")));
    ck_assert_str_eq(err.code, "cut");
}
END_TEST

START_TEST(passes_headers_on_but_those_of_a_connection) {
    start(0, 0);
    ck_assert_int_eq(ask("GET", "/passed", SLICE("")), 200);
    ck_assert_str_eq(answered(), "whole");
    cleanup_buffer struct buffer seen = BUFFER_INIT(1000);
    struct slice rest = {0}, name, value;
    while (http_head_next(buffer_slice(&response.head), &rest, &name, &value)) {
        if (!slice_equal_text(name, "Date")) {
            buffer_appendf(&seen, "%" SLICE_FORMAT "=%" SLICE_FORMAT ";", SLICE_ARGUMENTS(name),
                           SLICE_ARGUMENTS(value));
        }
    }
    ck_assert_str_eq(buffer_text(&seen),
                     "Range=0-9;ETag=\"e\";Set-Cookie=a=1;Set-Cookie=b=2;Content-Length=5;");
}
END_TEST

// --- Who may stay ------------------------------------------------------------------------------

START_TEST(makes_room_for_a_new_connection) {
    enum { COMFORTABLE = 3 };
    start(COMFORTABLE, 0);
    int peers[COMFORTABLE + 1];
    for (int i = 0; i < COMFORTABLE; i++) {
        peers[i] = connect_only();
        // Each is known to the server before the next one comes.
        clock_sleep_ms(clock_system(), 20, 0);
    }
    ck_assert(!is_closed(peers[0], 100));
    peers[COMFORTABLE] = connect_only();
    ck_assert_msg(is_closed(peers[0], 10000), "the oldest is still connected after 10 s");
    for (int i = 1; i <= COMFORTABLE; i++) {
        ck_assert_msg(!is_closed(peers[i], 0), "%d", i);
    }
    for (int i = 0; i <= COMFORTABLE; i++) {
        close(peers[i]);
    }
}
END_TEST

START_TEST(keeps_a_trusted_request_in_a_crowd) {
    enum { COMFORTABLE = 2, CROWD = 12 };
    start(COMFORTABLE, 0);
    int status = 0;
    pthread_t waiter = start_waiting(&status);
    int peers[CROWD];
    for (int i = 0; i < CROWD; i++) {
        peers[i] = connect_only();
        clock_sleep_ms(clock_system(), 10, 0);
    }
    ck_assert_msg(is_closed(peers[0], 10000), "the oldest is still connected after 10 s");
    eventfd_write(shop.go_on, 1);
    pthread_join(waiter, NULL);
    ck_assert_int_eq(status, 204);
    for (int i = 0; i < CROWD; i++) {
        close(peers[i]);
    }
}
END_TEST

START_TEST(hangs_up_on_a_peer_that_says_nothing) {
    start(0, 1);
    int nothing = connect_only();
    int half = connect_only();
    ck_assert_int_eq(send(half, "GET /hel", 8, MSG_NOSIGNAL), 8);
    ck_assert_msg(is_closed(nothing, 20000), "it is still connected after 20 s");
    ck_assert_msg(is_closed(half, 20000), "it is still connected after 20 s");
    close(nothing);
    close(half);
}
END_TEST

START_TEST(does_not_count_silence_while_a_route_waits) {
    start(0, 1);
    int status = 0;
    pthread_t waiter = start_waiting(&status);
    int nothing = connect_only();
    ck_assert_msg(is_closed(nothing, 20000), "it is still connected after 20 s");
    clock_sleep_ms(clock_system(), 1500, 0);
    eventfd_write(shop.go_on, 1);
    pthread_join(waiter, NULL);
    ck_assert_int_eq(status, 204);
    close(nothing);
}
END_TEST

START_TEST(stops_while_busy) {
    start(0, 0);
    int status = -1;
    pthread_t waiter = start_waiting(&status);
    int idle = connect_only();
    eventfd_write(shop.go_on, 1);
    int64_t begin = clock_monotonic_ms(clock_system());
    stop();
    ck_assert_int_lt(clock_monotonic_ms(clock_system()) - begin, 10000);
    pthread_join(waiter, NULL);
    ck_assert(status == 204 || status == 0);
    ck_assert(is_closed(idle, 0));
    close(idle);
}
END_TEST

START_TEST(has_a_port_of_its_own) {
    start(0, 0);
    struct http_server *first = server;
    start(0, 0);
    ck_assert_uint_ne(http_server_port(first), 0);
    ck_assert_uint_ne(http_server_port(first), http_server_port(server));
    http_server_stop(first);
    http_server_stop(NULL);
    ck_assert_int_eq(ask("GET", "/hello", SLICE("")), 200);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("http_server");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, hands_a_request_to_its_route_with_the_context);
    tcase_add_test(tcase, refuses_what_has_no_route);
    tcase_add_test(tcase, refuses_a_target_over_its_limit);
    tcase_add_test(tcase, keeps_a_body_up_to_the_limit_of_its_route);
    tcase_add_test(tcase, gives_a_body_piece_by_piece);
    tcase_add_test(tcase, answers_a_refusal_when_the_body_is_in);
    tcase_add_test(tcase, streams_an_answer);
    tcase_add_test(tcase, lets_the_peer_see_that_an_answer_is_cut);
    tcase_add_test(tcase, passes_headers_on_but_those_of_a_connection);
    tcase_add_test(tcase, makes_room_for_a_new_connection);
    tcase_add_test(tcase, keeps_a_trusted_request_in_a_crowd);
    tcase_add_test(tcase, hangs_up_on_a_peer_that_says_nothing);
    tcase_add_test(tcase, does_not_count_silence_while_a_route_waits);
    tcase_add_test(tcase, stops_while_busy);
    tcase_add_test(tcase, has_a_port_of_its_own);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
