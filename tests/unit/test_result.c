// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "bootstrap/job/result.h"
#include "common/alloc.h"

static const char *printed(const struct result *result, bool with_jobs, struct buffer *out) {
    struct error err = {0};
    ck_assert_msg(result_print(result, with_jobs, out, &err), "%s", err.message);
    return buffer_text(out);
}

static struct result_job job(int64_t id, const char *name, const char *state) {
    return (struct result_job){
        .id = id,
        .project_id = 7,
        .name = xstrdup(name),
        .state = state,
        .queued_ms = 812,
        .duration_ms = 5120,
    };
}

START_TEST(says_that_there_was_no_job) {
    cleanup_result struct result result = {0};
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    ck_assert_str_eq(printed(&result, false, &out), "{\"status\":\"no_job\",\"job\":null}");
    buffer_reset(&out);
    ck_assert_str_eq(printed(&result, true, &out),
                     "{\"status\":\"no_job\",\"job\":null,\"jobs\":[]}");
}
END_TEST

START_TEST(tells_of_one_job) {
    cleanup_result struct result result = {0};
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    struct result_job one = job(41, "deploy", "success");
    one.has_exit_code = true;
    result_add(&result, &one, RESULT_JOB_SUCCEEDED);

    ck_assert_str_eq(printed(&result, false, &out),
                     "{\"status\":\"job_succeeded\",\"job\":{\"id\":41,\"project_id\":7,"
                     "\"name\":\"deploy\",\"state\":\"success\",\"failure_reason\":null,"
                     "\"exit_code\":0,\"queued_ms\":812,\"duration_ms\":5120}}");
}
END_TEST

START_TEST(tells_of_all_jobs_and_of_the_last_one_twice) {
    cleanup_result struct result result = {0};
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    struct result_job one = job(1, "a \"name\"\n", "success");
    struct result_job two = job(2, "b", "failed");
    two.failure_reason = xstrdup("script_failure");
    result_add(&result, &one, RESULT_JOB_SUCCEEDED);
    result_add(&result, &two, RESULT_JOB_FAILED);

    const char *text = printed(&result, true, &out);

    const char *last = "{\"id\":2,\"project_id\":7,\"name\":\"b\",\"state\":\"failed\","
                       "\"failure_reason\":\"script_failure\",\"exit_code\":null,"
                       "\"queued_ms\":812,\"duration_ms\":5120}";
    cleanup_buffer struct buffer expected = BUFFER_INIT(4096);
    buffer_appendf(&expected,
                   "{\"status\":\"job_failed\",\"job\":%s,\"jobs\":[{\"id\":1,\"project_id\":7,"
                   "\"name\":\"a \\\"name\\\"\\n\",\"state\":\"success\",\"failure_reason\":null,"
                   "\"exit_code\":null,\"queued_ms\":812,\"duration_ms\":5120},%s]}",
                   last, last);
    ck_assert_str_eq(text, buffer_text(&expected));
}
END_TEST

START_TEST(has_the_documented_words) {
    ck_assert_str_eq(result_status_word(RESULT_NO_JOB), "no_job");
    ck_assert_str_eq(result_status_word(RESULT_JOB_SUCCEEDED), "job_succeeded");
    ck_assert_str_eq(result_status_word(RESULT_JOB_FAILED), "job_failed");
    ck_assert_str_eq(result_status_word(RESULT_JOB_CANCELED), "job_canceled");
    ck_assert_str_eq(result_status_word(RESULT_DEADLINE), "deadline");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("result");
    TCase *tests = tcase_create("result");
    tcase_add_test(tests, says_that_there_was_no_job);
    tcase_add_test(tests, tells_of_one_job);
    tcase_add_test(tests, tells_of_all_jobs_and_of_the_last_one_twice);
    tcase_add_test(tests, has_the_documented_words);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
