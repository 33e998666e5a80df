// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "assume-role/arguments.h"
#include "assume-role/session_name.h"
#include "common/alloc.h"
#include "common/cleanup.h"

static struct error err;

#define ROLE "arn:aws:iam::123456789012:role/deploy"
#define PARSE(arguments, ...) parse((arguments), (char *[]){"assume-role", __VA_ARGS__, NULL})

static enum options_result parse(struct arguments *arguments, char **argv) {
    int argc = 0;
    while (argv[argc] != NULL) {
        argc++;
    }
    return arguments_parse(argc, argv, arguments, &err);
}

START_TEST(takes_lists_as_the_aws_cli_does) {
    cleanup_arguments struct arguments arguments;
    ck_assert_int_eq(PARSE(&arguments, "--role-arn", ROLE, "--tags", "Key=a,Value=b",
                           "Value=d=e,Key=c", "--role-arn", ROLE, "--tags",
                           "[{\"Key\":\"x\",\"Value\":\"\"}]", "--policy-arns",
                           "arn=arn:aws:iam::aws:policy/One", "--", "env", "--tags"),
                     OPTIONS_RUN);
    ck_assert_uint_eq(arguments.hops.count, 2);
    const struct sts_assume *first = &arguments.hops.items[0].assume;
    ck_assert_uint_eq(first->tag_count, 2);
    ck_assert_str_eq(first->tags[0].value, "b");
    ck_assert_str_eq(first->tags[1].key, "c");
    ck_assert_str_eq(first->tags[1].value, "d=e");
    const struct sts_assume *second = &arguments.hops.items[1].assume;
    ck_assert_str_eq(second->tags[0].key, "x");
    ck_assert_str_eq(second->policy_arns[0], "arn:aws:iam::aws:policy/One");
    ck_assert_str_eq(arguments.command[1], "--tags");
    ck_assert_ptr_null(arguments.command[2]);
}
END_TEST

START_TEST(takes_a_token_at_the_first_hop_only) {
    cleanup_arguments struct arguments arguments;
    ck_assert_int_eq(
        PARSE(&arguments, "--role-arn", ROLE, "--role-arn", ROLE, "--web-identity-token-env", "T"),
        OPTIONS_MISUSED);
    ck_assert_ptr_nonnull(strstr(err.message, "hop 2 of 2"));
}
END_TEST

START_TEST(says_what_is_wrong_with_a_role_however_long_it_is) {
    cleanup_arguments struct arguments arguments;
    char role[4000];
    (void)snprintf(role, sizeof(role), ROLE "%03000d", 0);
    ck_assert_int_eq(PARSE(&arguments, "--role-arn", role), OPTIONS_MISUSED);
    ck_assert_ptr_nonnull(strstr(err.message, "hop 1 of 1, " ROLE "000"));
    ck_assert_ptr_nonnull(strstr(err.message, "is not of the form arn:aws:iam::"));
}
END_TEST

START_TEST(names_sessions_after_the_job) {
    setenv("CI_JOB_ID", "41", 1);
    setenv("CI_PROJECT_PATH_SLUG", "group/app", 1);
    cleanup_free char *name = session_name_default();
    ck_assert_str_eq(name, "runlet-group-app-41");

    // What is too long is cut before the number, which tells one job from another.
    cleanup_free char *slug = xasprintf("%063d", 0);
    setenv("CI_PROJECT_PATH_SLUG", slug, 1);
    cleanup_free char *cut = session_name_default();
    cleanup_free char *expected = xasprintf("runlet-%054d-41", 0);
    ck_assert_str_eq(cut, expected);
    setenv("CI_PROJECT_PATH_SLUG", "", 1);
    cleanup_free char *nameless = session_name_default();
    ck_assert_str_eq(nameless, "runlet-job-41");
}
END_TEST

START_TEST(names_sessions_after_the_user_elsewhere) {
    clearenv();
    setenv("USER", "ada lovelace", 1);
    cleanup_free char *name = session_name_default();
    ck_assert_msg(strncmp(name, "runlet-ada-lovelace-", 20) == 0, "%s", name);
    unsetenv("USER");
    cleanup_free char *number = session_name_default();
    ck_assert_msg(strncmp(number, "runlet-uid", 10) == 0, "%s", number);
    const struct sts_assume assume = {.role_arn = ROLE, .session_name = number};
    ck_assert_msg(sts_check(&assume, &err), "%s", err.message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hops");
    TCase *tcase = tcase_create("hops");
    tcase_add_test(tcase, takes_lists_as_the_aws_cli_does);
    tcase_add_test(tcase, takes_a_token_at_the_first_hop_only);
    tcase_add_test(tcase, says_what_is_wrong_with_a_role_however_long_it_is);
    tcase_add_test(tcase, names_sessions_after_the_job);
    tcase_add_test(tcase, names_sessions_after_the_user_elsewhere);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
