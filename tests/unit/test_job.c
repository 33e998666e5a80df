// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "bootstrap/gitlab/job.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/json.h"

#define ANSWER                                                                                     \
    "{\"id\":41,\"token\":\"job-token\",\"job_info\":{\"name\":\"deploy\",\"project_id\":7,"       \
    "\"time_in_queue_seconds\":0.8124},\"dependencies\":[{\"id\":40,\"token\":\"other-token\","    \
    "\"name\":\"build\"},{\"id\":39,\"name\":\"old\"}],\"variables\":[{\"key\":\"A\","             \
    "\"value\":\"[[[{{{,,,\\\"\"}]}"
#define PLACEHOLDER "glrt-placeholder"

static struct error err;

// --- The answer --------------------------------------------------------------------------------

static struct job *parse(const char *text) {
    bool readable = false;
    struct job *job = job_parse(slice_text(text), &readable, &err);
    ck_assert_msg(job && readable, "%s", err.message);
    return job;
}

START_TEST(reads_what_it_needs_of_a_job) {
    struct job *job = parse(ANSWER);
    ck_assert_int_eq(job->identity.job_id, 41);
    ck_assert_int_eq(job->identity.project_id, 7);
    ck_assert_str_eq(job->name, "deploy");
    ck_assert_int_eq(job->queued_ms, 812);
    ck_assert(job_has_token(job, SLICE("job-token")));
    ck_assert(!job_has_token(job, SLICE("job-toke")));
    ck_assert(!job_has_token(job, SLICE("")));
    job_destroy(job);
}
END_TEST

START_TEST(lets_a_job_download_from_itself_and_its_dependencies) {
    struct job *job = parse(ANSWER);
    ck_assert(job_may_download(job, 41, SLICE("job-token")));
    ck_assert(job_may_download(job, 40, SLICE("job-token")));
    ck_assert(job_may_download(job, 40, SLICE("other-token")));
    ck_assert(job_may_download(job, 39, SLICE("job-token")));
    ck_assert(!job_may_download(job, 39, SLICE("")));
    ck_assert(!job_may_download(job, 39, SLICE("other-token")));
    ck_assert(!job_may_download(job, 41, SLICE("other-token")));
    ck_assert(!job_may_download(job, 38, SLICE("job-token")));
    job_destroy(job);
}
END_TEST

START_TEST(takes_a_job_without_what_older_gitlabs_do_not_send) {
    static const char *const answers[] = {
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2}}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2,"
        "\"time_in_queue_seconds\":null},\"dependencies\":null}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2,"
        "\"time_in_queue_seconds\":-5},\"dependencies\":[]}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2,"
        "\"time_in_queue_seconds\":1e300}}",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct job *job = parse(answers[i]);
        ck_assert_int_eq(job->queued_ms, 0);
        ck_assert_uint_eq(job->dependency_count, 0);
        job_destroy(job);
    }
}
END_TEST

START_TEST(refuses_what_is_no_job) {
    static const char *const answers[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"id\":1}",
        "{\"id\":0,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2}}",
        "{\"id\":\"1\",\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2}}",
        "{\"id\":1,\"token\":\"\",\"job_info\":{\"name\":\"a\",\"project_id\":2}}",
        "{\"id\":1,\"token\":\"t",
        "{\"token\":\"t\",\"id\":12",
        "{\"id\":1 \"token\":\"t\"}",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        bool readable;
        ck_assert_msg(!job_parse(slice_text(answers[i]), &readable, &err), "%s", answers[i]);
        ck_assert_str_eq(err.code, "json");
    }
}
END_TEST

START_TEST(tells_whose_answer_it_cannot_read) {
    static const char *const answers[] = {
        "{\"id\":1,\"token\":\"t\"",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2},\"variables\":[{",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2},\"x\":\"\\q\"}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2},\"x\":\"\n\"}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":2} \"x\":1}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\",\"project_id\":-2}}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":[]}",
        "{\"id\":1,\"token\":\"t\"}",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        bool readable = true;
        struct job *job = job_parse(slice_text(answers[i]), &readable, &err);
        ck_assert_msg(job && !readable, "%s", answers[i]);
        ck_assert_str_eq(err.code, "json");
        ck_assert_int_eq(job->identity.job_id, 1);
        ck_assert(job_has_token(job, SLICE("t")));
        job_destroy(job);
    }
}
END_TEST

/// What the runner makes something of costs the job no more than that.
START_TEST(leaves_out_what_it_cannot_read) {
    static const char *const answers[] = {
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"a\\u0000b\",\"project_id\":2}}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":\"\\ud800\",\"project_id\":2}}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"name\":1,\"project_id\":2}}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"project_id\":2}}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"project_id\":2},\"variables\":[{\"key\":\"A\","
        "\"value\":\"\\u0000\"},{\"key\":\"\\udc00\"},7],\"dependencies\":[{\"token\":\"x\"},[]]}",
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"project_id\":2},\"variables\":{},"
        "\"dependencies\":7,\"features\":[],\"git_info\":null}",
        " { \"variables\" : [ ] , \"id\":1, \"token\":\"t\",\"job_info\" : { \"project_id\" : 2 } "
        "} ",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct job *job = parse(answers[i]);
        ck_assert_str_eq(job->name, "");
        ck_assert_int_eq(job->identity.project_id, 2);
        ck_assert_uint_eq(job->dependency_count, 0);
        job_destroy(job);
    }
}
END_TEST

static void append_many(struct buffer *text, char byte, int count) {
    for (int i = 0; i < count; i++) {
        buffer_append_byte(text, byte);
    }
}

START_TEST(reads_a_job_of_any_depth_that_the_runner_reads) {
    static const struct {
        int depth;
        bool readable;
    } cases[] = {{5000, true}, {20000, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        cleanup_buffer struct buffer text = BUFFER_INIT((size_t)1 << 20);
        buffer_append_text(&text,
                           "{\"id\":1,\"token\":\"t\",\"job_info\":{\"project_id\":2},\"x\":");
        append_many(&text, '[', cases[i].depth);
        append_many(&text, ']', cases[i].depth);
        buffer_append_byte(&text, '}');
        bool readable = !cases[i].readable;
        struct job *job = job_parse(buffer_slice(&text), &readable, &err);
        ck_assert(job && readable == cases[i].readable);
        job_destroy(job);
    }
}
END_TEST

START_TEST(reads_a_job_of_very_many_values) {
    cleanup_buffer struct buffer text = BUFFER_INIT((size_t)8 << 20);
    buffer_append_text(&text, "{\"id\":1,\"token\":\"t\",\"variables\":[{}");
    for (int i = 0; i < 100000; i++) {
        buffer_appendf(&text, ",{\"key\":\"V%d\",\"value\":\"x\",\"masked\":false}", i);
    }
    buffer_append_text(&text, "],\"job_info\":{\"project_id\":2}}");
    struct job *job = parse(buffer_text(&text));
    ck_assert_int_eq(job->identity.project_id, 2);
    job_destroy(job);
}
END_TEST

/// A dependency is downloaded from, and a token is found, whatever stands beside.
START_TEST(reads_elements_beside_what_it_cannot_read) {
    struct job *job = parse(
        "{\"id\":1,\"token\":\"t\",\"job_info\":{\"project_id\":2},\"dependencies\":[{\"name\":"
        "\"\\ud800\",\"id\":40,\"token\":\"x\",\"artifacts_file\":\"\\u0000\"}],\"variables\":["
        "{\"x\":\"\\u0000\",\"key\":\"T\",\"value\":\"eyJhIjoxfQ.eyJhIjoxfQ.AA\"}]}");
    ck_assert(job_may_download(job, 40, SLICE("x")));
    ck_assert(!job_may_download(job, 40, SLICE("y")));
    ck_assert_ptr_nonnull(job_tokens_find(&job->tokens, "T"));
    job_destroy(job);
}
END_TEST

/// A member is told from another spelling of its name, whichever comes first.
START_TEST(reads_what_stands_beside_another_spelling) {
    struct job *job = parse("{\"ID\":9,\"id\":1,\"Token\":\"x\",\"token\":\"t\",\"job_info\":{"
                            "\"Project_ID\":3,\"project_id\":2,\"NAME\":\"b\",\"name\":\"a\"}}");
    ck_assert_int_eq(job->identity.job_id, 1);
    ck_assert(job_has_token(job, SLICE("t")));
    ck_assert_int_eq(job->identity.project_id, 2);
    ck_assert_str_eq(job->name, "a");
    job_destroy(job);
}
END_TEST

/// Between `begin` and `end` one piece comes over and over, and then another one.
static const struct {
    const char *begin;
    const char *again;
    const char *then;
    const char *end;
} large[] = {
    {"{", "\"job_info\":{},", "\"id\":1,", "\"token\":\"t\"}"},
    {"{\"id\":1,\"token\":\"t\"", ",\"job_info\":{\"a\":1}", ",\"git_info\":{\"ref\":\"a\"}", "}"},
    {"{\"id\":1,\"token\":\"t\",\"job_info\":{\"a\":1", ",\"b\":1", ",\"name\":\"a\"", "}}"},
    {"{\"id\":1,\"token\":\"t\",\"features\":{\"failure_reasons\":[1", ",1", ",\"a\"", "]}}"},
    {"{\"id\":1,\"token\":\"t\"", ",\"variables\":[1]", ",\"dependencies\":[{\"id\":1}]", "}"},
    {"{\"id\":1,\"token\":\"t\",\"variables\":[1", ",{\"key\":\"A\",\"value\":\"a\"}", ",[[[]]]",
     "]}"},
    {"{\"id\":1,\"token\":\"t\",\"dependencies\":[1", ",{\"id\":1,\"token\":\"t\"}", ",{}", "]}"},
    {"{\"id\":1,\"token\":\"t\",\"x\":[", "[", "]", "]}"},
    {"{\"id\":1,\"token\":\"t\",\"x\":[1", ",[{\"a\":[]}]", ",\"\"", "]}"},
    {"{\"id\":1,\"token\":\"t\",\"x\":\"", "\\\\", "\\ud800", "\"}"},
    {"{\"id\":1,\"token\":\"t\",\"x\":\"", "\xff", "\\\"", ""},
    {"{\"id\":1,\"token\":\"", "t", "\\u0074", "\"}"},
    {"{\"token\":\"t\",\"id\":", "1", "0", "}"},
    {"{\"id\":1,\"token\":\"t\",", " ", "\n", "\"x\":1}"},
    {"", "[", "{\"a\":", ""},
};
enum { HALF_OF_LARGE = 512 << 10 };

static void append_over_and_over(struct buffer *text, const char *piece) {
    const size_t end = text->len + HALF_OF_LARGE;
    while (text->len < end) {
        buffer_append_text(text, piece);
    }
}

/// What takes a second for a megabyte by the square takes a quarter of an hour for what GitLab may
/// send.
START_TEST(reads_any_large_answer_in_a_moment) {
    cleanup_buffer struct buffer text = BUFFER_INIT((size_t)4 << 20);
    buffer_append_text(&text, large[_i].begin);
    append_over_and_over(&text, large[_i].again);
    append_over_and_over(&text, large[_i].then);
    buffer_append_text(&text, large[_i].end);
    bool readable;
    const clock_t begin = clock();
    job_destroy(job_parse(buffer_slice(&text), &readable, &err));
    ck_assert_msg(clock() - begin < 4 * CLOCKS_PER_SEC, "%s%s", large[_i].begin, large[_i].again);
}
END_TEST

// --- Job requests ------------------------------------------------------------------------------

static bool rewrite(const char *body, bool drop, struct buffer *out) {
    cleanup_secret struct secret *token = secret_new(SLICE("glrt-real"));
    buffer_reset(out);
    return job_request_rewrite(slice_text(body), PLACEHOLDER, token, "s_0123456789ab", drop, out,
                               &err);
}

START_TEST(puts_the_real_token_and_the_system_id_in) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(10000);
    ck_assert(rewrite("{\"info\":{\"name\":\"x\"},\"token\":\"" PLACEHOLDER "\"}", true, &out));
    ck_assert_str_eq(buffer_text(&out), "{\"info\":{\"name\":\"x\"},\"token\":\"glrt-real\","
                                        "\"system_id\":\"s_0123456789ab\"}");
}
END_TEST

START_TEST(leaves_no_other_spelling_of_a_name_behind) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(10000);
    ck_assert(rewrite("{\"Token\":\"a\",\"token\":\"" PLACEHOLDER "\",\"TOKEN\":\"b\","
                      "\"token\":\"c\",\"system_id\":\"r_x\",\"last_update\":\"1\","
                      "\"Last_Update\":\"2\"}",
                      true, &out));
    ck_assert_str_eq(buffer_text(&out),
                     "{\"token\":\"glrt-real\",\"system_id\":\"s_0123456789ab\"}");
}
END_TEST

START_TEST(keeps_last_update_where_gitlab_may_hold_the_request) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(10000);
    ck_assert(rewrite("{\"last_update\":\"7\",\"token\":\"" PLACEHOLDER "\"}", false, &out));
    ck_assert_str_eq(buffer_text(&out), "{\"last_update\":\"7\",\"token\":\"glrt-real\","
                                        "\"system_id\":\"s_0123456789ab\"}");
}
END_TEST

START_TEST(takes_the_placeholder_alone) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(10000);
    ck_assert(!rewrite("{\"token\":\"glrt-real\"}", true, &out));
    ck_assert_str_eq(err.code, "forbidden");
    ck_assert(!rewrite("{\"token\":\"\"}", true, &out));
    ck_assert_str_eq(err.code, "forbidden");
    static const char *const bad[] = {"", "[]", "{}", "{\"token\":1}", "{\"token\":null}", "x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert(!rewrite(bad[i], true, &out));
        ck_assert_str_eq(err.code, "json");
    }
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

// --- Updates -----------------------------------------------------------------------------------

START_TEST(reads_updates) {
    cleanup_job_update struct job_update update = {0};
    ck_assert(job_update_parse(SLICE("{\"state\":\"failed\",\"failure_reason\":\"script_failure\","
                                     "\"exit_code\":3,\"token\":\"t\"}"),
                               &update, &err));
    ck_assert_str_eq(update.state, "failed");
    ck_assert(update.final && update.has_exit_code);
    ck_assert_int_eq(update.exit_code, 3);
    ck_assert_str_eq(update.failure_reason, "script_failure");
    ck_assert(secret_equals(update.token, SLICE("t")));
}
END_TEST

START_TEST(reads_updates_that_say_little) {
    static const struct {
        const char *body;
        const char *state;
        bool final;
    } cases[] = {
        {"{\"state\":\"running\"}", "running", false},
        {"{\"state\":\"success\",\"exit_code\":null,\"failure_reason\":\"\"}", "success", true},
        {"{\"state\":\"pending\"}", "", false},
        {"{\"state\":\"successful\"}", "", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_job_update struct job_update update = {0};
        ck_assert(job_update_parse(slice_text(cases[i].body), &update, &err));
        ck_assert_str_eq(update.state, cases[i].state);
        ck_assert(update.final == cases[i].final);
        ck_assert(!update.has_exit_code && !update.failure_reason && !update.token);
    }
}
END_TEST

START_TEST(refuses_what_is_no_update) {
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"state\":1}",
        "{\"state\":\"failed\",\"exit_code\":\"3\"}",
        "{\"state\":\"failed\",\"failure_reason\":3}",
        "{\"state\":\"failed\",\"token\":\"\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cleanup_job_update struct job_update update = {0};
        ck_assert_msg(!job_update_parse(slice_text(bad[i]), &update, &err), "%s", bad[i]);
    }
}
END_TEST

static void rewrites_update(const struct job_trace *trace, const char *body, const char *expected) {
    cleanup_buffer struct buffer out = BUFFER_INIT(10000);
    cleanup_job_update struct job_update update = {0};
    ck_assert(job_update_parse(slice_text(body), &update, &err));
    ck_assert(job_update_rewrite(slice_text(body), &update, trace, &out, &err));
    ck_assert_str_eq(buffer_text(&out), expected);
}

START_TEST(goes_on_with_what_was_understood) {
    rewrites_update(NULL, "{\"state\":\"failed\",\"state\":\"success\",\"x\":1,\"x\":2}",
                    "{\"state\":\"failed\",\"x\":1}");
    rewrites_update(NULL, "{\"State\":\"success\",\"state\":\"failed\",\"STATE\":1}",
                    "{\"state\":\"failed\"}");
    rewrites_update(NULL,
                    "{\"st\\u0061te\":\"failed\",\"state\":\"success\",\"exit_code\":1,"
                    "\"failure_reason\":\"script_failure\",\"failure_reason\":\"x\"}",
                    "{\"state\":\"failed\",\"exit_code\":1,\"failure_reason\":\"script_failure\"}");
    rewrites_update(NULL, "{\"checksum\":\"crc32:1\",\"state\":\"success\",\"output\":{\"a\":1}}",
                    "{\"checksum\":\"crc32:1\",\"state\":\"success\",\"output\":{\"a\":1}}");
}
END_TEST

static void explains(const char *reported, const char *reason) {
    cleanup_job_update struct job_update update = {0};
    cleanup_free char *body =
        reported ? xasprintf("{\"state\":\"failed\",\"failure_reason\":\"%s\"}", reported)
                 : xstrdup("{\"state\":\"failed\"}");
    ck_assert(job_update_parse(slice_text(body), &update, &err));
    job_update_explain(&update, "job_execution_timeout");
    ck_assert_str_eq(update.failure_reason, reason);
}

START_TEST(explains_a_runner_that_was_ended) {
    explains("runner_system_failure", "job_execution_timeout");
    explains("runner_interrupted", "job_execution_timeout");
    explains("unknown_failure", "job_execution_timeout");
    explains("", "job_execution_timeout");
    explains(NULL, "job_execution_timeout");
    // The script's own end, which came first.
    explains("script_failure", "script_failure");
}
END_TEST

START_TEST(sees_whether_gitlab_knows_interruptions) {
    static const char answer[] = "{\"id\":41,\"token\":\"t\",\"job_info\":{\"name\":\"n\","
                                 "\"project_id\":7},\"features\":%s}";
    static const struct {
        const char *features;
        bool known;
    } cases[] = {
        {"{\"failure_reasons\":[\"script_failure\",\"runner_interrupted\"]}", true},
        {"{\"failure_reasons\":[\"script_failure\",null,7]}", false},
        {"{\"failure_reasons\":\"runner_interrupted\"}", false},
        {"null", false},
        {"[]", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        cleanup_free char *text = xasprintf(answer, cases[i].features);
        struct job *job = parse(text);
        ck_assert(job->knows_interruption == cases[i].known);
        job_destroy(job);
    }
}
END_TEST

START_TEST(makes_the_output_fit_the_trace) {
    struct job_trace trace = job_trace_empty();
    job_trace_taken(&trace, 0, SLICE("123456789"));
    rewrites_update(&trace,
                    "{\"checksum\":\"crc32:1\",\"output\":{\"checksum\":\"crc32:1\","
                    "\"bytesize\":1},\"state\":\"success\"}",
                    "{\"state\":\"success\",\"checksum\":\"crc32:cbf43926\",\"output\":{"
                    "\"checksum\":\"crc32:cbf43926\",\"bytesize\":9}}");
    rewrites_update(&trace, "{\"state\":\"success\"}", "{\"state\":\"success\"}");
    trace.crc_known = false;
    rewrites_update(&trace, "{\"checksum\":\"crc32:1\",\"output\":{},\"state\":\"success\"}",
                    "{\"state\":\"success\"}");
}
END_TEST

START_TEST(composes_an_update_of_our_own) {
    struct job *job = parse(ANSWER);
    struct job_trace trace = job_trace_empty();
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(10000);
    job_update_compose(job, "failed", "runner_system_failure", &trace, &out);
    ck_assert_str_eq(buffer_text(&out),
                     "{\"token\":\"job-token\",\"state\":\"failed\",\"failure_reason\":"
                     "\"runner_system_failure\",\"checksum\":\"crc32:00000000\",\"output\":{"
                     "\"checksum\":\"crc32:00000000\",\"bytesize\":0}}");
    buffer_reset(&out);
    job_update_compose(job, "running", NULL, NULL, &out);
    ck_assert_str_eq(buffer_text(&out), "{\"token\":\"job-token\",\"state\":\"running\"}");
    job_destroy(job);
}
END_TEST

int main(void) {
    json_initialise();
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("job");
    tcase_add_test(tcase, goes_on_with_what_was_understood);
    tcase_add_test(tcase, explains_a_runner_that_was_ended);
    tcase_add_test(tcase, sees_whether_gitlab_knows_interruptions);
    tcase_add_test(tcase, reads_what_it_needs_of_a_job);
    tcase_add_test(tcase, lets_a_job_download_from_itself_and_its_dependencies);
    tcase_add_test(tcase, takes_a_job_without_what_older_gitlabs_do_not_send);
    tcase_add_test(tcase, refuses_what_is_no_job);
    tcase_add_test(tcase, tells_whose_answer_it_cannot_read);
    tcase_add_test(tcase, leaves_out_what_it_cannot_read);
    tcase_add_test(tcase, reads_a_job_of_any_depth_that_the_runner_reads);
    tcase_add_test(tcase, reads_a_job_of_very_many_values);
    tcase_add_test(tcase, puts_the_real_token_and_the_system_id_in);
    tcase_add_test(tcase, leaves_no_other_spelling_of_a_name_behind);
    tcase_add_test(tcase, keeps_last_update_where_gitlab_may_hold_the_request);
    tcase_add_test(tcase, takes_the_placeholder_alone);
    tcase_add_test(tcase, reads_updates);
    tcase_add_test(tcase, reads_updates_that_say_little);
    tcase_add_test(tcase, refuses_what_is_no_update);
    tcase_add_test(tcase, makes_the_output_fit_the_trace);
    tcase_add_test(tcase, composes_an_update_of_our_own);
    tcase_add_test(tcase, reads_elements_beside_what_it_cannot_read);
    tcase_add_test(tcase, reads_what_stands_beside_another_spelling);
    tcase_add_loop_test(tcase, reads_any_large_answer_in_a_moment, 0, (int)ARRAY_LENGTH(large));
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
