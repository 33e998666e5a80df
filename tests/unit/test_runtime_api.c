// SPDX-License-Identifier: Apache-2.0
/// The Runtime API's client before a scripted server: a thread that answers one request after
/// another and keeps what it was sent.
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bootstrap/runtime/runtime_api.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"

#define EVENT_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}"

static struct error err;

struct server {
    int listener;
    char *address;
    /// What to answer, one after another, ended by NULL; "" closes without an answer.
    const char *const *answers;
    /// All that was received.
    struct buffer received;
    pthread_t thread;
};

/// Reads a request with its body, whose length it knows from the headers.
static bool read_request(int fd, struct buffer *all) {
    size_t begin = all->len;
    for (;;) {
        char *room = buffer_reserve(all, 65536);
        ssize_t count = recv(fd, room, 65536, 0);
        if (count <= 0) {
            return false;
        }
        buffer_commit(all, (size_t)count);
        const char *request = all->data + begin;
        const char *body = strstr(request, "\r\n\r\n");
        if (body) {
            const char *length = strcasestr(request, "\r\ncontent-length:");
            size_t expected = length ? strtoul(length + 17, NULL, 10) : 0;
            if (strlen(body + 4) >= expected) {
                return true;
            }
        }
    }
}

static void *serve(void *argument) {
    struct server *server = argument;
    int connection = -1;
    for (const char *const *answer = server->answers; *answer; answer++) {
        for (;;) {
            if (connection < 0) {
                connection = accept(server->listener, NULL, NULL);
                ck_assert_int_ge(connection, 0);
            }
            if (read_request(connection, &server->received)) {
                break;
            }
            close(connection);
            connection = -1;
        }
        if (**answer) {
            ssize_t sent = send(connection, *answer, strlen(*answer), MSG_NOSIGNAL);
            ck_assert_int_eq(sent, (ssize_t)strlen(*answer));
        } else {
            close(connection);
            connection = -1;
        }
    }
    if (connection >= 0) {
        close(connection);
    }
    return NULL;
}

static int listen_on_loopback(char **address) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, size), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    *address = xasprintf("127.0.0.1:%u", ntohs(name.sin_port));
    return fd;
}

static struct server *start(const char *const *answers) {
    struct server *server = xcalloc(1, sizeof(*server));
    server->listener = listen_on_loopback(&server->address);
    server->answers = answers;
    buffer_init(&server->received, 16 << 20);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

/// Waits until all is answered; returns what was received.
static char *finish(struct server *server) {
    ck_assert_int_eq(pthread_join(server->thread, NULL), 0);
    char *received = xstrdup(buffer_text(&server->received));
    close(server->listener);
    buffer_clean_up(&server->received);
    free(server->address);
    free(server);
    return received;
}

static void assert_contains(const char *text, const char *part) {
    ck_assert_msg(strcasestr(text, part) != NULL, "\"%s\" does not contain \"%s\"", text, part);
}

static void destroy_api(struct runtime_api **api) {
    runtime_api_destroy(*api);
}
#define cleanup_api __attribute__((cleanup(destroy_api)))

static struct invocation known_invocation(void) {
    return (struct invocation){
        .request_id = xstrdup("id-1"),
        .deadline_ms = clock_now_ms(clock_system()) + 60000,
    };
}

START_TEST(reads_an_event_with_all_its_headers) {
    static const char *const answers[] = {
        EVENT_HEAD "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4\r\n"
                   "lambda-runtime-deadline-ms: 1900000000123\r\n"
                   "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:x\r\n"
                   "Lambda-Runtime-Trace-Id: Root=1-5bef\r\n"
                   "Content-Length: 9\r\n\r\n{\"a\": 1}\n",
        NULL,
    };
    struct server *server = start(answers);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = {0};

    ck_assert_msg(runtime_api_next(api, 0, &invocation, &err), "%s", err.message);

    cleanup_free char *received = finish(server);
    assert_contains(received, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n");
    ck_assert_str_eq(invocation.request_id, "8476a536-e9f4");
    ck_assert_int_eq(invocation.deadline_ms, 1900000000123);
    ck_assert_str_eq(invocation.function_arn, "arn:aws:lambda:x");
    ck_assert_str_eq(invocation.trace_id, "Root=1-5bef");
    ck_assert_str_eq(buffer_text(&invocation.event), "{\"a\": 1}\n");
}
END_TEST

START_TEST(needs_nothing_but_the_request_id) {
    static const char *const answers[] = {
        EVENT_HEAD "Lambda-Runtime-Aws-Request-Id: x\r\nLambda-Runtime-Deadline-Ms: soon\r\n"
                   "Content-Length: 2\r\n\r\n{}",
        NULL,
    };
    struct server *server = start(answers);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = {0};

    ck_assert_msg(runtime_api_next(api, 0, &invocation, &err), "%s", err.message);

    cleanup_free char *received = finish(server);
    int64_t left = clock_left_ms(clock_system(), invocation.deadline_ms);
    ck_assert(left > 800000 && left <= 900000);
    ck_assert_ptr_null(invocation.function_arn);
    ck_assert_ptr_null(invocation.trace_id);
}
END_TEST

START_TEST(takes_any_other_answer_to_next_for_the_end) {
    static const char *const answers[][2] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", NULL},
        {"HTTP/1.1 500 Container error\r\nContent-Length: 0\r\n\r\n", NULL},
        {EVENT_HEAD "Content-Length: 2\r\n\r\n{}", NULL},
        {EVENT_HEAD "Lambda-Runtime-Aws-Request-Id: ../x\r\nContent-Length: 2\r\n\r\n{}", NULL},
        {"", NULL},
    };
    struct server *server = start(answers[_i]);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = {0};

    ck_assert(!runtime_api_next(api, 0, &invocation, &err));

    cleanup_free char *received = finish(server);
    ck_assert(!error_is(&err, "canceled"));
}
END_TEST

START_TEST(tries_a_few_times_to_connect) {
    char *address;
    int listener = listen_on_loopback(&address);
    close(listener);
    struct fake_clock fake;
    fake_clock_init(&fake, 1000000);
    cleanup_api struct runtime_api *api = runtime_api_new(address, &fake.clock);
    free(address);
    cleanup_invocation struct invocation invocation = {0};

    ck_assert(!runtime_api_next(api, 0, &invocation, &err));

    ck_assert_str_eq(err.code, "connect");
    ck_assert_uint_eq(fake.sleeps, 4);
}
END_TEST

START_TEST(stops_waiting_when_it_is_told_to) {
    char *address;
    cleanup_close int listener = listen_on_loopback(&address);
    cleanup_close int event = eventfd(1, EFD_CLOEXEC);
    cleanup_api struct runtime_api *api = runtime_api_new(address, NULL);
    free(address);
    cleanup_invocation struct invocation invocation = {0};

    ck_assert(!runtime_api_next(api, event, &invocation, &err));

    ck_assert_str_eq(err.code, "canceled");
}
END_TEST

START_TEST(posts_a_response) {
    static const char *const answers[] = {ACCEPTED, NULL};
    struct server *server = start(answers);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = known_invocation();

    ck_assert_int_eq(runtime_api_respond(api, &invocation, SLICE("{\"status\":\"no_job\"}"), &err),
                     RUNTIME_ACCEPTED);

    cleanup_free char *received = finish(server);
    assert_contains(received, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\n");
    assert_contains(received, "\r\n\r\n{\"status\":\"no_job\"}");
    ck_assert_ptr_null(strcasestr(received, "expect:"));
}
END_TEST

START_TEST(posts_an_error_with_its_type_in_header_and_body) {
    static const char *const answers[] = {ACCEPTED, NULL};
    struct server *server = start(answers);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = known_invocation();
    struct error failure;
    error_set(&failure, "Function.EventInvalid", "not \"good\"\n");

    ck_assert_int_eq(runtime_api_fail(api, &invocation, &failure, &err), RUNTIME_ACCEPTED);

    cleanup_free char *received = finish(server);
    assert_contains(received, "POST /2018-06-01/runtime/invocation/id-1/error HTTP/1.1\r\n");
    assert_contains(received, "Lambda-Runtime-Function-Error-Type: Function.EventInvalid\r\n");
    assert_contains(received, "{\"errorMessage\":\"not \\\"good\\\"\\n\","
                              "\"errorType\":\"Function.EventInvalid\",\"stackTrace\":[]}");
}
END_TEST

static const struct {
    const char *answer;
    enum runtime_answer meaning;
} posts[] = {
    {"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", RUNTIME_TOO_LARGE},
    {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", RUNTIME_REFUSED},
    {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", RUNTIME_REFUSED},
    {"HTTP/1.1 500 Container error\r\nContent-Length: 0\r\n\r\n", RUNTIME_REFUSED},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", RUNTIME_REFUSED},
    {"", RUNTIME_REFUSED},
};

START_TEST(tells_the_answers_to_a_response_apart) {
    const char *const answers[] = {posts[_i].answer, NULL};
    struct server *server = start(answers);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = known_invocation();

    ck_assert_int_eq(runtime_api_respond(api, &invocation, SLICE("{}"), &err), posts[_i].meaning);

    cleanup_free char *received = finish(server);
}
END_TEST

START_TEST(waits_for_an_answer_until_the_deadline_only) {
    char *address;
    cleanup_close int listener = listen_on_loopback(&address);
    cleanup_api struct runtime_api *api = runtime_api_new(address, NULL);
    free(address);
    cleanup_invocation struct invocation invocation = known_invocation();
    invocation.deadline_ms = clock_now_ms(clock_system()) + 200;

    ck_assert_int_eq(runtime_api_respond(api, &invocation, SLICE("{}"), &err), RUNTIME_REFUSED);

    ck_assert_str_eq(err.code, "timeout");
}
END_TEST

START_TEST(posts_an_init_error) {
    static const char *const answers[] = {ACCEPTED, NULL};
    struct server *server = start(answers);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    struct error failure;
    error_set(&failure, "Runtime.ConfigInvalid", "RUNLET_MAX_JOBS is bad");

    ck_assert_msg(runtime_api_init_error(api, &failure, &err), "%s", err.message);

    cleanup_free char *received = finish(server);
    assert_contains(received, "POST /2018-06-01/runtime/init/error HTTP/1.1\r\n");
    assert_contains(received, "Lambda-Runtime-Function-Error-Type: Runtime.ConfigInvalid\r\n");
}
END_TEST

START_TEST(uses_no_proxy) {
    static const char *const answers[] = {ACCEPTED, NULL};
    struct server *server = start(answers);
    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    cleanup_api struct runtime_api *api = runtime_api_new(server->address, NULL);
    cleanup_invocation struct invocation invocation = known_invocation();

    ck_assert_int_eq(runtime_api_respond(api, &invocation, SLICE("{}"), &err), RUNTIME_ACCEPTED);

    ck_assert_int_eq(unsetenv("http_proxy"), 0);
    cleanup_free char *received = finish(server);
}
END_TEST

START_TEST(registers_an_extension_without_events_and_waits_for_ever) {
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: the-identifier\r\n"
        "Content-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        NULL,
    };
    struct server *server = start(answers);

    ck_assert_msg(runtime_extension_start(server->address, &err), "%s", err.message);

    cleanup_free char *received = finish(server);
    assert_contains(received, "POST /2020-01-01/extension/register HTTP/1.1\r\n");
    assert_contains(received, "\r\n\r\n{\"events\":[]}");
    assert_contains(received, "GET /2020-01-01/extension/event/next HTTP/1.1\r\n");
    assert_contains(received, "Lambda-Extension-Identifier: the-identifier\r\n");
}
END_TEST

START_TEST(says_that_no_extension_can_be_registered) {
    static const char *const answers[] = {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
                                          NULL};
    struct server *server = start(answers);

    ck_assert(!runtime_extension_start(server->address, &err));

    cleanup_free char *received = finish(server);
    ck_assert_ptr_nonnull(strstr(err.message, "403"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime_api");
    TCase *tests = tcase_create("runtime_api");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, reads_an_event_with_all_its_headers);
    tcase_add_test(tests, needs_nothing_but_the_request_id);
    tcase_add_loop_test(tests, takes_any_other_answer_to_next_for_the_end, 0, 5);
    tcase_add_test(tests, tries_a_few_times_to_connect);
    tcase_add_test(tests, stops_waiting_when_it_is_told_to);
    tcase_add_test(tests, posts_a_response);
    tcase_add_test(tests, posts_an_error_with_its_type_in_header_and_body);
    tcase_add_loop_test(tests, tells_the_answers_to_a_response_apart, 0,
                        (int)(sizeof(posts) / sizeof(posts[0])));
    tcase_add_test(tests, waits_for_an_answer_until_the_deadline_only);
    tcase_add_test(tests, posts_an_init_error);
    tcase_add_test(tests, uses_no_proxy);
    tcase_add_test(tests, registers_an_extension_without_events_and_waits_for_ever);
    tcase_add_test(tests, says_that_no_extension_can_be_registered);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
