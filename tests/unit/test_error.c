// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static struct error err;

START_TEST(holds_a_code_and_a_message) {
    ck_assert(!error_set(&err, "timeout", "no answer in %d s", 5));
    ck_assert_str_eq(err.code, "timeout");
    ck_assert_str_eq(err.message, "no answer in 5 s");
    ck_assert_int_eq(err.errnum, 0);
    ck_assert(error_is(&err, "timeout"));
    ck_assert(!error_is(&err, "time"));
}
END_TEST

START_TEST(says_what_an_errno_means) {
    ck_assert(!error_errno(&err, ENOENT, "cannot read %s", "x"));
    ck_assert_str_eq(err.code, "system");
    ck_assert_str_eq(err.message, "cannot read x: No such file or directory");
    ck_assert_int_eq(err.errnum, ENOENT);
}
END_TEST

START_TEST(gains_context_on_the_way_up) {
    error_errno(&err, EACCES, "bin/git");
    ck_assert(!error_prefix(&err, "cannot pack %s", "layers/git"));
    ck_assert_str_eq(err.message, "cannot pack layers/git: bin/git: Permission denied");
    ck_assert_str_eq(err.code, "system");
    ck_assert_int_eq(err.errnum, EACCES);
}
END_TEST

START_TEST(may_be_made_of_its_own_parts) {
    error_set(&err, "a", "first");
    error_set(&err, "b", "%s (%s)", err.message, err.code);
    ck_assert_str_eq(err.message, "first (a)");
    error_prefix(&err, "%s", err.message);
    ck_assert_str_eq(err.message, "first (a): first (a)");
}
END_TEST

START_TEST(cuts_long_text_between_characters) {
    // Two bytes each: one of the lengths would end in the middle of one.
    char text[2 * ERROR_MESSAGE_SIZE + 2];
    for (size_t start = 0; start < 2; start++) {
        memset(text, 'x', start);
        for (size_t i = start; i + 1 < sizeof(text); i += 2) {
            memcpy(text + i, "\xc3\xa9", 2);
        }
        text[sizeof(text) - 1] = '\0';
        error_set(&err, "a", "%s", text);
        const size_t length = strlen(err.message);
        ck_assert_uint_gt(length, ERROR_MESSAGE_SIZE - 8);
        ck_assert_str_eq(err.message + length - 3, "...");
        ck_assert_int_eq((unsigned char)err.message[length - 4], 0xa9);
        error_prefix(&err, "p");
        ck_assert_str_eq(err.message + strlen(err.message) - 3, "...");
        error_errno(&err, EPERM, "%s", text);
        ck_assert_str_eq(err.message + strlen(err.message) - 3, "...");
    }
    error_set(&err, text, "x");
    ck_assert_uint_eq(strlen(err.code), ERROR_CODE_SIZE - 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");
    tcase_add_test(tcase, holds_a_code_and_a_message);
    tcase_add_test(tcase, says_what_an_errno_means);
    tcase_add_test(tcase, gains_context_on_the_way_up);
    tcase_add_test(tcase, may_be_made_of_its_own_parts);
    tcase_add_test(tcase, cuts_long_text_between_characters);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
