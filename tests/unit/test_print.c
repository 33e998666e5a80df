// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "assume-role/print.h"

static struct error err;
static struct sts_session session;

static void set_up(void) {
    clearenv();
    session = (struct sts_session){
        .credentials = {.access_key = "ASIAEXAMPLE",
                        .secret_key = secret_new(SLICE("a/secret+key")),
                        .session_token = secret_new(SLICE("a'token\"=\\")),
                        .expires_ms = 1795572345999}, // Cut, never rounded up.
        .arn = "arn:aws:sts::123456789012:assumed-role/deploy/job-41",
        .id = "AROAEXAMPLE:job-41",
    };
}

static void tear_down(void) {
    secret_destroy(session.credentials.secret_key);
    secret_destroy(session.credentials.session_token);
}

static void prints(enum print_format format, const char *expected) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(4096);
    ck_assert_msg(print_session(&session, format, &out, &err), "%s", err.message);
    ck_assert_str_eq(buffer_text(&out), expected);
}

#define KEYS                                                                                       \
    "\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"a/secret+key\","                        \
    "\"SessionToken\":\"a'token\\\"=\\\\\",\"Expiration\":\"2026-11-25T02:05:45Z\""

START_TEST(prints_what_sdks_read_from_a_process_and_nothing_else) {
    prints(PRINT_PROCESS, "{\"Version\":1," KEYS "}\n");
}
END_TEST

START_TEST(prints_the_answer_of_the_aws_cli) {
    prints(PRINT_JSON, "{\"Credentials\":{" KEYS "},\"AssumedRoleUser\":{\"AssumedRoleId\":"
                       "\"AROAEXAMPLE:job-41\",\"Arn\":"
                       "\"arn:aws:sts::123456789012:assumed-role/deploy/job-41\"}}\n");
}
END_TEST

START_TEST(quotes_every_export_for_the_shell) {
    prints(PRINT_ENV, "export AWS_ACCESS_KEY_ID='ASIAEXAMPLE'\n"
                      "export AWS_SECRET_ACCESS_KEY='a/secret+key'\n"
                      "export AWS_SESSION_TOKEN='a'\\''token\"=\\'\n");
}
END_TEST

START_TEST(takes_what_belongs_to_the_keys_before_out_of_the_shell) {
    setenv("AWS_CREDENTIAL_EXPIRATION", "2026-11-25T02:00:00Z", 1);
    setenv("AWS_SECURITY_TOKEN", "old", 1);
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(4096);
    ck_assert(print_session(&session, PRINT_ENV, &out, &err));
    ck_assert(slice_ends_with(
        buffer_slice(&out), SLICE("unset AWS_CREDENTIAL_EXPIRATION\nunset AWS_SECURITY_TOKEN\n")));
}
END_TEST

START_TEST(prints_what_terragrunt_reads) {
    prints(PRINT_TERRAGRUNT, "{\"awsCredentials\":{\"ACCESS_KEY_ID\":\"ASIAEXAMPLE\","
                             "\"SECRET_ACCESS_KEY\":\"a/secret+key\","
                             "\"SESSION_TOKEN\":\"a'token\\\"=\\\\\"}}\n");
}
END_TEST

START_TEST(prints_no_half_of_a_session) {
    for (enum print_format format = PRINT_PROCESS; format <= PRINT_TERRAGRUNT; format++) {
        cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(40);
        ck_assert(!print_session(&session, format, &out, &err));
        ck_assert_str_eq(err.code, "too_large");
    }
}
END_TEST

START_TEST(knows_its_formats_by_name) {
    enum print_format format = PRINT_PROCESS;
    ck_assert(print_parse_format("terragrunt", &format, &err));
    ck_assert_int_eq(format, PRINT_TERRAGRUNT);
    ck_assert(!print_parse_format("JSON", &format, &err));
    ck_assert_str_eq(err.message, "expected process, env, json or terragrunt, not \"JSON\"");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("print");
    TCase *tcase = tcase_create("print");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, prints_what_sdks_read_from_a_process_and_nothing_else);
    tcase_add_test(tcase, prints_the_answer_of_the_aws_cli);
    tcase_add_test(tcase, quotes_every_export_for_the_shell);
    tcase_add_test(tcase, takes_what_belongs_to_the_keys_before_out_of_the_shell);
    tcase_add_test(tcase, prints_what_terragrunt_reads);
    tcase_add_test(tcase, prints_no_half_of_a_session);
    tcase_add_test(tcase, knows_its_formats_by_name);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
