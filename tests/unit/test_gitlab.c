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
    tcase_add_test(tcase, leaves_time_for_a_last_attempt);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
