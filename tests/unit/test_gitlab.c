// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "bootstrap/gitlab/gitlab.h"
#include "scripted_server.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nJob-Status: running\r\n\r\nok"

static struct error err;
static struct fake_clock fake;
static struct http_response response;

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    fake_clock_init(&fake, 1700000000000);
    http_response_init(&response, 1000);
}

static void tear_down(void) {
    http_response_clean_up(&response);
}

static struct gitlab *server_gitlab(const char *url) {
    const struct gitlab_options options = {.server_url = url, .clock = &fake.clock};
    return gitlab_new(&options);
}

START_TEST(sends_a_call_and_keeps_the_connection) {
    const struct scripted script[] = {{.answer = OK_ANSWER}, {.answer = OK_ANSWER}};
    START(script);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/sub", server.port);
    cleanup_gitlab struct gitlab *gitlab = server_gitlab(url);
    const struct gitlab_call call = {.method = "PUT", .path = "/jobs/1?a=b", .body = SLICE("{}")};
    const struct gitlab_patience patience = {0};
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(gitlab_send(gitlab, &call, &patience, &response, &err), "%s", err.message);
        ck_assert_int_eq(response.status, 200);
    }
    gitlab_close_idle(gitlab);
    stop_server();
    ck_assert_uint_eq(server.connections, 1);
}
END_TEST

START_TEST(makes_urls_below_the_servers) {
    cleanup_gitlab struct gitlab *gitlab = server_gitlab("https://gitlab.example.com/git");
    char *url = gitlab_url(gitlab, "/jobs/1");
    ck_assert_str_eq(url, "https://gitlab.example.com/git/api/v4/jobs/1");
    free(url);
}
END_TEST

START_TEST(knows_which_answers_may_change) {
    static const int transient[] = {408, 429, 500, 502, 503, 504, 520};
    static const int final[] = {0, 200, 202, 301, 400, 401, 403, 404, 409, 412, 416, 501, 505};
    for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++) {
        ck_assert_msg(gitlab_is_transient(transient[i]), "%d", transient[i]);
    }
    for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
        ck_assert_msg(!gitlab_is_transient(final[i]), "%d", final[i]);
    }
}
END_TEST

/// The pause after that many failures before it.
static int64_t pause_after(unsigned failures, uint32_t random, const char *head, int64_t until_ms) {
    cleanup_gitlab struct gitlab *gitlab = server_gitlab("https://gitlab.example.com");
    struct gitlab_backoff backoff = {.failures = failures};
    const struct gitlab_patience patience = {.until_ms = until_ms};
    struct http_response answer;
    http_response_init(&answer, 0);
    buffer_append_text(&answer.head, head ? head : "");
    fake.random = random;
    fake.slept_ms = 0;
    bool again = gitlab_pause(gitlab, &backoff, head ? &answer : NULL, &patience);
    http_response_clean_up(&answer);
    return again ? fake.slept_ms : -1;
}

START_TEST(waits_longer_after_each_failure_within_bounds) {
    ck_assert_int_eq(pause_after(0, UINT32_MAX, NULL, 0), 250);
    ck_assert_int_eq(pause_after(0, 0, NULL, 0), 125);
    ck_assert_int_eq(pause_after(1, UINT32_MAX, NULL, 0), 500);
    ck_assert_int_eq(pause_after(4, UINT32_MAX, NULL, 0), 4000);
    ck_assert_int_eq(pause_after(5, UINT32_MAX, NULL, 0), 5000);
    ck_assert_int_eq(pause_after(4000000000U, UINT32_MAX, NULL, 0), 5000);
}
END_TEST

START_TEST(waits_as_long_as_gitlab_asks_within_bounds) {
    ck_assert_int_eq(pause_after(0, 0, "Retry-After: 7\r\n", 0), 7000);
    ck_assert_int_eq(pause_after(0, 0, "Retry-After: 0\r\n", 0), 125);
    ck_assert_int_eq(pause_after(0, 0, "Retry-After: 3600\r\n", 0), 30000);
    ck_assert_int_eq(pause_after(0, 0, "Retry-After: soon\r\n", 0), 125);
}
END_TEST

/// The pause after a first answer with that status.
static int64_t pause_asked(int status, const char *head, uint32_t random) {
    cleanup_gitlab struct gitlab *gitlab = server_gitlab("https://gitlab.example.com");
    struct gitlab_backoff backoff = {0};
    const struct gitlab_patience patience = {0};
    response.status = status;
    buffer_reset(&response.head);
    buffer_append_text(&response.head, head);
    fake_clock_init(&fake, 1700000000000);
    fake.random = random;
    ck_assert(gitlab_pause(gitlab, &backoff, &response, &patience));
    return fake.slept_ms;
}

START_TEST(waits_until_gitlab_counts_anew) {
    // The clock says Tue, 14 Nov 2023 22:13:20 GMT.
    const char *in_ten = "RateLimit-ResetTime: Tue, 14 Nov 2023 22:13:30 GMT\n";
    ck_assert_int_eq(pause_asked(429, in_ten, 0), 10000);
    ck_assert_int_eq(pause_asked(503, in_ten, 0), 125);
    ck_assert_int_eq(
        pause_asked(429, "Retry-After: 3\nRateLimit-ResetTime: Tue, 14 Nov 2023 22:13:25 GMT\n", 0),
        5000);
    ck_assert_int_eq(pause_asked(429, "RateLimit-ResetTime: Tue, 14 Nov 2023 23:13:20 GMT\n", 0),
                     30000);
    ck_assert_int_eq(pause_asked(429, "RateLimit-ResetTime: Tue, 14 Nov 2023 20:13:20 GMT\n", 0),
                     125);
    ck_assert_int_eq(pause_asked(429, "RateLimit-ResetTime: soon\n", 0), 125);
}
END_TEST

START_TEST(those_who_were_told_the_same_time_do_not_come_together) {
    ck_assert_int_eq(pause_asked(429, "Retry-After: 7\n", 0), 7000);
    ck_assert_int_eq(pause_asked(429, "Retry-After: 7\n", UINT32_MAX), 7125);
}
END_TEST

#define PAGE "Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
#define JSON(length, text)                                                                         \
    "Content-Type: application/json\r\nContent-Length: " length "\r\n\r\n" text

START_TEST(tells_gitlabs_answer_from_that_of_others) {
    static const struct {
        const char *answer;
        bool own;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n" JSON("3", "200"), true},
        {"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\n0-3", true},
        {"HTTP/1.1 200 OK\r\n" PAGE, false},
        {"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", false},
        {"HTTP/1.1 403 Forbidden\r\n" PAGE, false},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false},
        {"HTTP/1.1 403 Forbidden\r\n" JSON("23", "{\"message\":\"Forbidden\"}"), false},
        {"HTTP/1.1 403 Forbidden\r\n" JSON("27", "{\"message\":\"403 Forbidden\"}"), true},
        {"HTTP/1.1 404 Not Found\r\n" JSON("25", "{\"error\":\"404 Not Found\"}"), true},
        {"HTTP/1.1 400 Bad Request\r\n" JSON("28", "{\"error\":\"state is missing\"}"), true},
        {"HTTP/1.1 400 Bad Request\r\n" PAGE, false},
        {"HTTP/1.1 403 Forbidden\r\nJob-Status: canceled\r\n" PAGE, true},
        {"HTTP/1.1 503 Unavailable\r\n" PAGE, true},
        {"HTTP/1.1 416 No\r\nRange: 0-3\r\nContent-Length: 0\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct scripted script[] = {{.answer = cases[i].answer}};
        START(script);
        char url[64];
        snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
        cleanup_gitlab struct gitlab *gitlab = server_gitlab(url);
        const struct gitlab_call call = {.method = "PUT", .path = "/jobs/1", .body = SLICE("{}")};
        const struct gitlab_patience patience = {0};
        http_response_clean_up(&response);
        http_response_init(&response, 1000);
        bool own = gitlab_send(gitlab, &call, &patience, &response, &err);
        gitlab_close_idle(gitlab);
        stop_server();
        ck_assert_msg(own == cases[i].own, "%s", cases[i].answer);
        ck_assert_msg(own || (error_is(&err, "foreign") && response.status == 0 &&
                              response.body.len == 0 && response.head.len == 0),
                      "%s", err.message);
    }
}
END_TEST

START_TEST(leaves_time_for_a_last_attempt) {
    ck_assert_int_eq(pause_after(0, 0, "Retry-After: 7\r\n", fake.now_ms + 4000), 3000);
    ck_assert_int_eq(pause_after(0, 0, NULL, fake.now_ms + 200), 100);
    ck_assert_int_eq(pause_after(0, 0, NULL, fake.now_ms + 100), 0);
    ck_assert_int_eq(pause_after(0, 0, NULL, fake.now_ms + 50), -1);
    ck_assert_int_eq(pause_after(0, 0, NULL, fake.now_ms - 5000), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gitlab");
    TCase *tcase = tcase_create("gitlab");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, sends_a_call_and_keeps_the_connection);
    tcase_add_test(tcase, makes_urls_below_the_servers);
    tcase_add_test(tcase, knows_which_answers_may_change);
    tcase_add_test(tcase, waits_longer_after_each_failure_within_bounds);
    tcase_add_test(tcase, waits_as_long_as_gitlab_asks_within_bounds);
    tcase_add_test(tcase, waits_until_gitlab_counts_anew);
    tcase_add_test(tcase, those_who_were_told_the_same_time_do_not_come_together);
    tcase_add_test(tcase, tells_gitlabs_answer_from_that_of_others);
    tcase_add_test(tcase, leaves_time_for_a_last_attempt);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
