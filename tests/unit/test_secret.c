// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/secret.h"

START_TEST(holds_what_it_was_given) {
    cleanup_secret struct secret *secret = secret_new(SLICE("glrt-\0x"));
    ck_assert(slice_equal(secret_expose(secret), SLICE("glrt-\0x")));
    ck_assert_int_eq(secret_expose(secret).data[7], '\0');
    ck_assert(secret_equals(secret, SLICE("glrt-\0x")));
    ck_assert(!secret_equals(secret, SLICE("glrt-\0y")));
    ck_assert(!secret_equals(secret, SLICE("glrt-")));
    ck_assert(!secret_equals(NULL, SLICE("")));
    cleanup_secret struct secret *empty = secret_new((struct slice){0});
    ck_assert(secret_equals(empty, SLICE("")));
    secret_destroy(NULL);
}
END_TEST

START_TEST(takes_a_buffer_and_wipes_it) {
    cleanup_buffer struct buffer buffer = BUFFER_INIT(10000);
    for (int i = 0; i < 1000; i++) {
        buffer_append_text(&buffer, "secret");
    }
    cleanup_secret struct secret *secret = secret_take(&buffer);
    ck_assert_uint_eq(secret_expose(secret).len, 6000);
    ck_assert_uint_eq(buffer.len, 0);
    ck_assert_ptr_null(buffer.data);
}
END_TEST

START_TEST(is_not_in_a_forked_child) {
    cleanup_secret struct secret *secret = secret_new(SLICE("secret"));
    const pid_t child = fork();
    if (child == 0) {
        _exit(memcmp(secret_expose(secret).data, "\0\0\0\0\0\0", 6) == 0 ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(secret_equals(secret, SLICE("secret")));
}
END_TEST

START_TEST(is_left_out_of_core_files) {
    cleanup_secret struct secret *secret = secret_new(SLICE("secret"));
    const uintptr_t address = (uintptr_t)secret_expose(secret).data;
    cleanup_fclose FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    cleanup_free char *line = NULL;
    size_t size = 0;
    bool here = false;
    bool excluded = false;
    while (getline(&line, &size, maps) > 0) {
        uintptr_t start = 0;
        uintptr_t end = 0;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            here = address >= start && address < end;
        }
        excluded =
            excluded || (here && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd ") != NULL);
    }
    ck_assert(excluded);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("secret");
    TCase *tcase = tcase_create("secret");
    tcase_add_test(tcase, holds_what_it_was_given);
    tcase_add_test(tcase, takes_a_buffer_and_wipes_it);
    tcase_add_test(tcase, is_not_in_a_forked_child);
    tcase_add_test(tcase, is_left_out_of_core_files);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
