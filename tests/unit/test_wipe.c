// SPDX-License-Identifier: Apache-2.0
/// That memory is wiped is seen by tests/integration/test_no_copy.py: who looks at memory that was
/// released is stopped by the sanitizers.
#include <check.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/wipe.h"

START_TEST(keeps_the_content_when_it_moves) {
    char *text = wipe_realloc(NULL, 4);
    memcpy(text, "abc", 4);
    text = wipe_realloc(text, 100000);
    ck_assert_str_eq(text, "abc");
    text = wipe_realloc(text, 2);
    ck_assert_int_eq(memcmp(text, "ab", 2), 0);
    wipe_free(text);
    wipe_free(NULL);
}
END_TEST

START_TEST(serves_openssl) {
    wipe_openssl();
    ck_assert_ptr_null(OPENSSL_malloc(0));
    char *text = OPENSSL_strdup("abc");
    text = OPENSSL_realloc(text, 1000);
    ck_assert_str_eq(text, "abc");
    ck_assert_ptr_null(OPENSSL_realloc(text, 0));
    OPENSSL_free(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("wipe");
    TCase *tcase = tcase_create("wipe");
    tcase_add_test(tcase, keeps_the_content_when_it_moves);
    tcase_add_test(tcase, serves_openssl);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
