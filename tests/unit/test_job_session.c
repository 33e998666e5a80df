// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "bootstrap/credentials/job_session.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "scripted_server.h"

#define NOW_MS INT64_C(1764068400000) // 2025-11-25T11:00:00Z
#define ANSWER(key, expires)                                                                       \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/xml\r\n\r\n"                       \
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" key "</AccessKeyId>"        \
    "<SecretAccessKey>the/secret</SecretAccessKey><SessionToken>the\n+token</SessionToken>"        \
    "<Expiration>" expires "</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:x"     \
    "</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/job/x</Arn></AssumedRoleUser>"               \
    "</AssumeRoleResult></AssumeRoleResponse>"
#define DENIED                                                                                     \
    "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<ErrorResponse><Error><Code>AccessDenied"  \
    "</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"

#define TOO_LARGE                                                                                  \
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<ErrorResponse><Error><Code>"            \
    "PackedPolicyTooLarge</Code><Message>Packed size of session tags consumes 112% of allotted "   \
    "space.</Message></Error></ErrorResponse>"

static struct error err;
static struct fake_clock fake;
static struct aws_credentials keys;
static struct function_aws *aws;
static struct job_session_options options;
static const struct job job = {.identity = {.job_id = 41, .project_id = 7}};

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_FATAL);
    clearenv();
    fake_clock_init(&fake, NOW_MS);
    keys = (struct aws_credentials){
        .access_key = xstrdup("ASIAFUNCTION"),
        .secret_key = secret_new(SLICE("function-secret")),
    };
    options = (struct job_session_options){
        .role_arn = "arn:aws:iam::123456789012:role/job",
        .identity = true,
        .clock = &fake.clock,
    };
}

static void tear_down(void) {
    function_aws_destroy(aws);
    aws_credentials_clean_up(&keys);
}

static struct job_session *session_until(int64_t seconds) {
    setenv("AWS_ENDPOINT_URL", server.url, 1);
    const struct function_aws_options function = {
        .credentials = &keys, .region = "eu-central-1", .clock = &fake.clock};
    aws = function_aws_new(&function);
    options.aws = aws;
    options.deadline_ms = NOW_MS + seconds * 1000;
    return job_session_new(&options);
}

static bool request_has(size_t index, const char *text) {
    return strstr(buffer_text(&server.requests[index]), text) != NULL;
}

static void check_key(struct job_session *session, const char *key) {
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    ck_assert_msg(job_session_print(session, &job, 0, &out, &err), "%s", err.message);
    cleanup_free char *member = xasprintf("{\"AccessKeyId\":\"%s\",", key);
    ck_assert_msg(strstr(buffer_text(&out), member) != NULL, "%s", buffer_text(&out));
}

START_TEST(gives_one_session_as_long_as_the_time_left) {
    const struct scripted script[] = {
        {.answer = ANSWER("ASIAONE", "2025-11-25T11:15:00Z"), .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(300);
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);

    ck_assert_msg(job_session_print(session, &job, 0, &out, &err), "%s", err.message);
    check_key(session, "ASIAONE");

    ck_assert_str_eq(buffer_text(&out),
                     "{\"AccessKeyId\":\"ASIAONE\",\"SecretAccessKey\":\"the/secret\","
                     "\"Token\":\"the+token\",\"Expiration\":\"2025-11-25T11:15:00Z\","
                     "\"RoleArn\":\"arn:aws:iam::123456789012:role/job\"}");
    ck_assert(request_has(0, "&DurationSeconds=900&"));
    ck_assert(request_has(0, "&RoleSessionName=runlet-7-41&"));
    ck_assert(request_has(0, "&SourceIdentity=project%3D7%2Cjob%3D41"));
    ck_assert(request_has(0, "&Tags.member.1.Key=runlet%3Aproject_id&Tags.member.1.Value=7&"));
    ck_assert(request_has(0, "&TransitiveTagKeys.member.1=runlet%3Aproject_id&"));
    ck_assert(request_has(0, "Credential=ASIAFUNCTION/"));
    stop_server();
}
END_TEST

START_TEST(says_nothing_of_the_job_where_that_is_not_wanted) {
    const struct scripted script[] = {
        {.answer = ANSWER("ASIAONE", "2025-11-25T12:00:00Z"), .close = true}};
    START(script);
    options.identity = false;
    cleanup_job_session struct job_session *session = session_until(2000);
    check_key(session, "ASIAONE");
    ck_assert(request_has(0, "&DurationSeconds=2001"));
    ck_assert(!request_has(0, "Tags.member"));
    ck_assert(!request_has(0, "SourceIdentity"));
    stop_server();
}
END_TEST

START_TEST(renews_a_session_that_ends_before_the_function_does) {
    const struct scripted script[] = {
        {.answer = ANSWER("ASIAONE", "2025-11-25T12:00:00Z"), .close = true},
        {.answer = ANSWER("ASIATWO", "2025-11-25T12:30:00Z"), .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(5400);
    check_key(session, "ASIAONE");
    ck_assert(request_has(0, "&DurationSeconds=3600&"));
    fake.now_ms = NOW_MS + 54 * 60 * 1000;
    check_key(session, "ASIAONE");
    fake.now_ms = NOW_MS + 56 * 60 * 1000;
    check_key(session, "ASIATWO");
    ck_assert(request_has(1, "&DurationSeconds=2041&"));
    stop_server();
}
END_TEST

START_TEST(renews_no_session_that_lasts_as_long_as_the_function) {
    const struct scripted script[] = {
        {.answer = ANSWER("ASIAONE", "2025-11-25T11:15:00Z"), .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(900);
    check_key(session, "ASIAONE");
    fake.now_ms = NOW_MS + 899 * 1000;
    check_key(session, "ASIAONE");
    ck_assert_uint_eq(server.connections, 1);
    stop_server();
}
END_TEST

START_TEST(keeps_the_services_clock_for_the_next_call) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 403 No\r\nConnection: close\r\nDate: Tue, 25 Nov 2025 12:00:00 GMT\r\n"
                   "\r\n<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error>"
                   "</ErrorResponse>",
         .close = true},
        {.answer = ANSWER("ASIAONE", "2025-11-25T11:02:00Z"), .close = true},
        {.answer = ANSWER("ASIATWO", "2025-11-25T11:15:00Z"), .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(900);
    check_key(session, "ASIAONE");
    ck_assert(request_has(0, "X-Amz-Date: 20251125T110000Z"));
    ck_assert(request_has(1, "X-Amz-Date: 20251125T120000Z"));
    // The first one ends too soon, so the role is assumed again, in another turn.
    check_key(session, "ASIATWO");
    ck_assert(request_has(2, "X-Amz-Date: 20251125T120000Z"));
    stop_server();
}
END_TEST

START_TEST(remembers_a_refusal_for_a_moment) {
    const struct scripted script[] = {
        {.answer = DENIED, .close = true},
        {.answer = ANSWER("ASIAONE", "2025-11-25T11:15:00Z"), .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(300);
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    for (int i = 0; i < 3; i++) {
        ck_assert(!job_session_print(session, &job, 0, &out, &err));
        ck_assert_str_eq(err.code, "AccessDenied");
        ck_assert(strstr(err.message, "the trust policy of arn:aws:iam::123456789012:role/job"));
        ck_assert(strstr(err.message, "sts:TagSession"));
        ck_assert_uint_eq(out.len, 0);
    }
    ck_assert_uint_eq(server.connections, 1);
    fake.now_ms += 4000;
    check_key(session, "ASIAONE");
    stop_server();
}
END_TEST

START_TEST(says_what_to_do_about_tags_that_are_too_long) {
    const struct scripted script[] = {{.answer = TOO_LARGE, .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(300);
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    ck_assert(!job_session_print(session, &job, 0, &out, &err));
    ck_assert_str_eq(err.code, "PackedPolicyTooLarge");
    ck_assert(strstr(err.message, "consumes 112% of allotted space"));
    ck_assert(strstr(err.message, "RUNLET_JOB_SESSION_IDENTITY"));
    stop_server();
}
END_TEST

START_TEST(gives_up_when_it_is_told_to) {
    const struct scripted script[] = {
        {.answer = ANSWER("ASIAONE", "2025-11-25T11:15:00Z"), .close = true}};
    START(script);
    cleanup_job_session struct job_session *session = session_until(300);
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    cleanup_close int stop = eventfd(1, EFD_CLOEXEC);
    ck_assert(!job_session_print(session, &job, stop, &out, &err));
    ck_assert_str_eq(err.code, "canceled");
    ck_assert_uint_eq(out.len, 0);
    stop_server();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("job_session");
    TCase *tests = tcase_create("job_session");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, gives_one_session_as_long_as_the_time_left);
    tcase_add_test(tests, says_nothing_of_the_job_where_that_is_not_wanted);
    tcase_add_test(tests, renews_a_session_that_ends_before_the_function_does);
    tcase_add_test(tests, renews_no_session_that_lasts_as_long_as_the_function);
    tcase_add_test(tests, keeps_the_services_clock_for_the_next_call);
    tcase_add_test(tests, remembers_a_refusal_for_a_moment);
    tcase_add_test(tests, says_what_to_do_about_tags_that_are_too_long);
    tcase_add_test(tests, gives_up_when_it_is_told_to);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
