// SPDX-License-Identifier: Apache-2.0
// The broker's beginning and end, and what its owner is told. What passes through it is tested in
// tests/integration/test_broker*.py.
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "bootstrap/broker/broker.h"
#include "common/alloc.h"
#include "common/json.h"
#include "scripted_server.h"

static struct error err;
static struct gitlab *gitlab;
static struct token_source *token;
static bool token_is_there;
/// NULL but for the test of it.
static struct job_session *session;
static char url[64];

static struct secret *read_token(void *context, int64_t deadline_ms, struct error *error) {
    (void)context;
    (void)deadline_ms;
    if (!token_is_there) {
        error_set(error, "ResourceNotFoundException", "there is no such secret");
        return NULL;
    }
    return secret_new(SLICE("glrt-real"));
}

static void set_up(void) {
    json_initialise();
    // The environment may name a proxy: it is not for loopback.
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    token_is_there = true;
    token = token_source_new(read_token, NULL, "the secret");
    gitlab = NULL;
    session = NULL;
}

static void tear_down(void) {
    gitlab_destroy(gitlab);
    token_source_destroy(token);
}

static struct broker *start(void) {
    const struct gitlab_options gitlab_options = {.server_url = url};
    gitlab = gitlab_new(&gitlab_options);
    const struct broker_options options = {
        .gitlab = gitlab,
        .token = token,
        .session = session,
        .system_id = "s_0123456789ab",
        .wait_timeout_ms = 10000,
        .margin_begins_ms = clock_now_ms(clock_system()) + 600000,
    };
    return broker_start(&options, &err);
}

static void start_gitlab(const struct scripted *script, size_t length) {
    start_server(script, length, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
}

/// Sends a request to the broker, and returns the answer's status.
static int ask(const struct broker *broker, const char *method, const char *path,
               const char *headers, const char *body) {
    const struct http_client_options options = {.allow_http = true, .no_proxy = true};
    cleanup_http_client struct http_client *client = http_client_new(&options);
    char target[200];
    snprintf(target, sizeof(target), "http://127.0.0.1:%u%s", broker_port(broker), path);
    struct http_header header = {0};
    struct slice rest = slice_text(headers);
    slice_split(&rest, ' ', &header.name);
    header.value = rest;
    const struct http_request request = {
        .method = method,
        .url = target,
        .headers = &header,
        .header_count = headers[0] ? 1 : 0,
        .body = slice_text(body),
        .timeout_ms = 60000,
    };
    cleanup_http_response struct http_response response;
    http_response_init(&response, 100000);
    ck_assert_msg(http_send(client, &request, NULL, &response, &err), "%s", err.message);
    return response.status;
}

static int ask_for_a_job(const struct broker *broker) {
    char body[200];
    snprintf(body, sizeof(body), "{\"token\":\"%s\",\"info\":{}}", broker_placeholder(broker));
    return ask(broker, "POST", "/api/v4/jobs/request", "", body);
}

static bool is_readable(const struct broker *broker) {
    struct pollfd event = {.fd = broker_event_fd(broker), .events = POLLIN};
    return poll(&event, 1, 0) == 1;
}

#define JOB "{\"id\":41,\"token\":\"job\",\"job_info\":{\"name\":\"deploy\",\"project_id\":7}}"
#define JOB_ANSWER "HTTP/1.1 201 Created\r\nContent-Length: 67\r\n\r\n" JOB
#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nJob-Status: running\r\n\r\n200"
#define TAKEN "HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\nRange: 0-9\r\n\r\n0-9"
#define BROKEN "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
#define ASSUMED                                                                                    \
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Credentials\":{\"AccessKeyId\":\"ASIAJOB\","   \
    "\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"2100-01-01T00:00:00Z\"},"   \
    "\"AssumedRoleUser\":{\"AssumedRoleId\":\"AROA:x\",\"Arn\":\"arn:aws:sts::1:x\"}}"
#define LONGER "HTTP/1.1 416 Range\r\nContent-Length: 0\r\nRange: 0-2\r\n\r\n"

START_TEST(needs_the_token_to_start) {
    snprintf(url, sizeof(url), "http://127.0.0.1:1");
    token_is_there = false;
    ck_assert(start() == NULL);
    ck_assert_str_eq(err.code, "Runtime.TokenUnavailable");
    ck_assert(strstr(err.message, "the secret") != NULL);
}
END_TEST

START_TEST(gives_each_runner_a_port_and_a_placeholder_of_its_own) {
    snprintf(url, sizeof(url), "http://127.0.0.1:1");
    cleanup_broker struct broker *one = start();
    struct gitlab *first = gitlab;
    cleanup_broker struct broker *two = start();
    ck_assert(one && two);
    ck_assert_uint_ne(broker_port(one), broker_port(two));
    ck_assert_str_ne(broker_placeholder(one), broker_placeholder(two));
    ck_assert_uint_ge(strlen(broker_placeholder(one)), 32);
    ck_assert(strstr(broker_placeholder(one), "real") == NULL);
    broker_stop(one);
    one = NULL;
    gitlab_destroy(first);
}
END_TEST

START_TEST(knows_nothing_at_first) {
    snprintf(url, sizeof(url), "http://127.0.0.1:1");
    cleanup_broker struct broker *broker = start();
    struct broker_status status;
    broker_snapshot(broker, &status);
    ck_assert(!status.job_arrived && !status.finished && !status.request_in_flight);
    ck_assert(!status.unauthorized && !status.unreachable);
    ck_assert_int_eq(status.waiting_since_ms, 0);
    ck_assert(!is_readable(broker));
    ck_assert(broker_close_job(broker, "line", "reason", 0, &err));
    // Nobody has asked, so nobody was unreachable.
    broker_drop_request(broker);
    broker_snapshot(broker, &status);
    ck_assert(!status.unreachable);
}
END_TEST

START_TEST(asks_for_nothing_once_the_runner_is_gone) {
    snprintf(url, sizeof(url), "http://127.0.0.1:1");
    cleanup_broker struct broker *broker = start();
    ck_assert(broker_stop_asking(broker));
    ck_assert_int_eq(ask_for_a_job(broker), 204);
    struct broker_status status;
    broker_snapshot(broker, &status);
    ck_assert(!status.unreachable);
    ck_assert_int_eq(status.waiting_since_ms, 0);
}
END_TEST

START_TEST(tells_its_owner_of_the_job_and_its_end) {
    const struct scripted script[] = {{.answer = JOB_ANSWER}, {.answer = GOOD}};
    start_gitlab(script, 2);
    cleanup_broker struct broker *broker = start();
    struct broker_status status;
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    ck_assert(is_readable(broker));
    broker_snapshot(broker, &status);
    ck_assert(!is_readable(broker));
    ck_assert(status.job_arrived && !status.finished && !status.request_in_flight);
    ck_assert_int_eq(status.job.id, 41);
    ck_assert_int_eq(status.job.project_id, 7);
    ck_assert_str_eq(status.job.name, "deploy");
    ck_assert_str_eq(status.job.state, "running");

    ck_assert_int_eq(ask(broker, "PUT", "/api/v4/jobs/41", "JOB-TOKEN job",
                         "{\"state\":\"failed\",\"failure_reason\":\"x\",\"exit_code\":2}"),
                     200);
    ck_assert(is_readable(broker));
    broker_snapshot(broker, &status);
    ck_assert(status.finished);
    ck_assert_str_eq(status.job.state, "failed");
    ck_assert_str_eq(status.job.failure_reason, "x");
    ck_assert(status.job.has_exit_code);
    ck_assert_int_eq(status.job.exit_code, 2);
    ck_assert(strstr(buffer_text(&server.requests[0]), "glrt-real") != NULL);
    ck_assert(strstr(buffer_text(&server.requests[1]), "glrt-real") == NULL);
    stop_server();
}
END_TEST

/// The status of a request for the session that shows this token.
static int ask_for_the_session(const struct broker *broker, struct slice shown) {
    char header[200];
    snprintf(header, sizeof(header), "Authorization %" SLICE_FORMAT, SLICE_ARGUMENTS(shown));
    return ask(broker, "GET", "/credentials", header, "");
}

START_TEST(gives_the_session_out_while_the_job_runs) {
    const struct scripted script[] = {{.answer = JOB_ANSWER, .close = true},
                                      {.answer = ASSUMED, .close = true},
                                      {.answer = GOOD, .close = true}};
    start_gitlab(script, 3);
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("no_proxy", "127.0.0.1", 1);
    cleanup_aws_credentials struct aws_credentials keys = {.access_key = xstrdup("ASIA"),
                                                           .secret_key = secret_new(SLICE("s"))};
    const struct function_aws_options function = {.credentials = &keys, .region = "eu-central-1"};
    struct function_aws *aws = function_aws_new(&function);
    const struct job_session_options options = {.aws = aws,
                                                .role_arn = "arn:aws:iam::123456789012:role/job"};
    session = job_session_new(&options);
    struct broker *broker = start();
    struct slice good = broker_credentials_token(broker);

    ck_assert_int_eq(ask_for_the_session(broker, good), 403); // No job is there.
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    ck_assert_int_eq(ask(broker, "GET", "/credentials", "", ""), 403);
    ck_assert_int_eq(ask_for_the_session(broker, SLICE("x")), 403);
    ck_assert_int_eq(ask_for_the_session(broker, slice_text(broker_placeholder(broker))), 403);
    ck_assert_int_eq(ask_for_the_session(broker, good), 200);
    ck_assert_int_eq(
        ask(broker, "PUT", "/api/v4/jobs/41", "JOB-TOKEN job", "{\"state\":\"success\"}"), 200);
    ck_assert_int_eq(ask_for_the_session(broker, good), 403); // It is over.

    broker_stop(broker);
    job_session_destroyp(&session);
    function_aws_destroy(aws);
    stop_server();
}
END_TEST

START_TEST(closes_a_job_with_a_line_and_a_checksum) {
    const struct scripted script[] = {
        {.answer = JOB_ANSWER}, {.answer = GOOD}, {.answer = TAKEN}, {.answer = GOOD}};
    start_gitlab(script, 4);
    cleanup_broker struct broker *broker = start();
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    int64_t until_ms = clock_now_ms(clock_system()) + 30000;
    ck_assert_msg(broker_close_job(broker, "why", "runner_system_failure", until_ms, &err), "%s",
                  err.message);
    const char *patch = buffer_text(&server.requests[2]);
    ck_assert(strstr(patch, "PATCH /api/v4/jobs/41/trace ") == patch);
    ck_assert(strstr(patch, "Content-Range: 0-3\r\n") != NULL);
    ck_assert(strstr(patch, "\r\n\r\nwhy\n") != NULL);
    const char *update = buffer_text(&server.requests[3]);
    ck_assert(strstr(update, "PUT /api/v4/jobs/41 ") == update);
    ck_assert(strstr(update, "\"checksum\":\"crc32:8f40f600\"") != NULL);
    ck_assert(strstr(update, "\"bytesize\":4") != NULL);
    ck_assert(strstr(update, "exit_code") == NULL);
    struct broker_status status;
    broker_snapshot(broker, &status);
    ck_assert(status.finished);
    ck_assert_str_eq(status.job.failure_reason, "runner_system_failure");
    ck_assert_int_eq(
        ask(broker, "PUT", "/api/v4/jobs/41", "JOB-TOKEN job", "{\"state\":\"success\"}"), 403);
    stop_server();
}
END_TEST

START_TEST(says_why_a_job_is_not_closed_when_there_is_no_time) {
    const struct scripted script[] = {{.answer = JOB_ANSWER}};
    start_gitlab(script, 1);
    cleanup_broker struct broker *broker = start();
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    struct error failure;
    memset(&failure, 'x', sizeof(failure));
    int64_t until_ms = clock_now_ms(clock_system()) - 1000;
    ck_assert(!broker_close_job(broker, "why", "runner_system_failure", until_ms, &failure));
    ck_assert_str_eq(failure.code, "timeout");
    ck_assert_str_eq(failure.message, "cannot close job 41 in GitLab: the time for it is over");
    stop_server();
}
END_TEST

START_TEST(says_what_gitlab_answered_before_the_time_was_over) {
    const struct scripted script[] = {{.answer = JOB_ANSWER},
                                      {.answer = GOOD},
                                      {.answer = TAKEN},
                                      {.answer = BROKEN},
                                      {.answer = NULL, .delay_ms = 60000, .close = true}};
    start_gitlab(script, 5);
    cleanup_broker struct broker *broker = start();
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    int64_t until_ms = clock_now_ms(clock_system()) + 4000;
    ck_assert(!broker_close_job(broker, "why", "runner_system_failure", until_ms, &err));
    ck_assert_str_eq(err.message, "cannot close job 41 in GitLab: GitLab answered with status 500 "
                                  "until the time was over");
    stop_server();
}
END_TEST

START_TEST(does_not_wait_for_a_checksum_when_time_is_short) {
    const struct scripted script[] = {{.answer = JOB_ANSWER},
                                      {.answer = GOOD},
                                      {.answer = TAKEN},
                                      {.answer = TAKEN},
                                      {.answer = GOOD}};
    start_gitlab(script, 5);
    cleanup_broker struct broker *broker = start();
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    int64_t until_ms = clock_now_ms(clock_system()) + 1900;
    ck_assert_msg(broker_close_job(broker, "why", "runner_system_failure", until_ms, &err), "%s",
                  err.message);
    ck_assert(strstr(buffer_text(&server.requests[3]), "\"checksum\"") != NULL);
    ck_assert(strstr(buffer_text(&server.requests[4]), "\"checksum\"") == NULL);
    ck_assert(strstr(buffer_text(&server.requests[4]), "\"bytesize\"") == NULL);
    stop_server();
}
END_TEST

START_TEST(waits_for_a_checksum_while_there_is_time) {
    const struct scripted script[] = {{.answer = JOB_ANSWER},
                                      {.answer = GOOD},
                                      {.answer = TAKEN},
                                      {.answer = TAKEN},
                                      {.answer = GOOD}};
    start_gitlab(script, 5);
    cleanup_broker struct broker *broker = start();
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    int64_t until_ms = clock_now_ms(clock_system()) + 60000;
    ck_assert_msg(broker_close_job(broker, "why", "runner_system_failure", until_ms, &err), "%s",
                  err.message);
    ck_assert(strstr(buffer_text(&server.requests[4]), "\"checksum\"") != NULL);
    stop_server();
}
END_TEST

START_TEST(puts_its_whole_line_behind_what_nobody_told_it_of) {
    const struct scripted script[] = {{.answer = JOB_ANSWER},
                                      {.answer = GOOD},
                                      {.answer = LONGER},
                                      {.answer = TAKEN},
                                      {.answer = GOOD}};
    start_gitlab(script, 5);
    cleanup_broker struct broker *broker = start();
    ck_assert_int_eq(ask_for_a_job(broker), 201);
    int64_t until_ms = clock_now_ms(clock_system()) + 60000;
    ck_assert_msg(broker_close_job(broker, "why", "runner_system_failure", until_ms, &err), "%s",
                  err.message);
    const char *patch = buffer_text(&server.requests[3]);
    ck_assert(strstr(patch, "Content-Range: 2-6\r\n") != NULL);
    ck_assert(strstr(patch, "\r\n\r\n\nwhy\n") != NULL);
    ck_assert(strstr(buffer_text(&server.requests[4]), "\"checksum\"") == NULL);
    stop_server();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("broker");
    TCase *tcase = tcase_create("broker");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, needs_the_token_to_start);
    tcase_add_test(tcase, gives_each_runner_a_port_and_a_placeholder_of_its_own);
    tcase_add_test(tcase, knows_nothing_at_first);
    tcase_add_test(tcase, asks_for_nothing_once_the_runner_is_gone);
    tcase_add_test(tcase, tells_its_owner_of_the_job_and_its_end);
    tcase_add_test(tcase, gives_the_session_out_while_the_job_runs);
    tcase_add_test(tcase, closes_a_job_with_a_line_and_a_checksum);
    tcase_add_test(tcase, says_why_a_job_is_not_closed_when_there_is_no_time);
    tcase_add_test(tcase, says_what_gitlab_answered_before_the_time_was_over);
    tcase_add_test(tcase, does_not_wait_for_a_checksum_when_time_is_short);
    tcase_add_test(tcase, waits_for_a_checksum_while_there_is_time);
    tcase_add_test(tcase, puts_its_whole_line_behind_what_nobody_told_it_of);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
