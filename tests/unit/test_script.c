// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "layer-packer/script.h"

static const struct {
    const char *head;
    const char *interpreter;
    const char *argument;
} lines[] = {
    {"#!/bin/sh", "/bin/sh", ""},
    {"#!/bin/sh\nexit\n", "/bin/sh", ""},
    {"#! \t/bin/sh \t\n", "/bin/sh", ""},
    {"#!/bin/sh -e\n", "/bin/sh", "-e"},
    {"#!/usr/bin/env\t-S a  b \n", "/usr/bin/env", "-S a  b"},
    {"#!/bin/sh\n\r\n", "/bin/sh", ""},
};

START_TEST(reads_the_line_as_the_kernel_does) {
    struct script script;
    const char *flaw = script_parse(slice_text(lines[_i].head), &script);
    ck_assert_ptr_null(flaw);
    ck_assert(slice_equal_text(script.interpreter, lines[_i].interpreter));
    ck_assert(slice_equal_text(script.argument, lines[_i].argument));
}
END_TEST

static const struct {
    const char *head;
    const char *flaw;
} bad[] = {
    {"#!/bin/sh\r\n", "carriage return"},
    {"#!/bin/sh -e\r", "carriage return"},
    {"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"},
    {"#!\n", "does not name an interpreter"},
    {"#! \t \n/bin/sh", "does not name an interpreter"},
    {"#!bash\n", "without its whole path"},
};

START_TEST(says_why_the_kernel_cannot_run_it) {
    struct script script;
    const struct slice head = slice_text(bad[_i].head);
    ck_assert(script_is(head));
    const char *flaw = script_parse(head, &script);
    ck_assert_ptr_nonnull(flaw);
    ck_assert_msg(strstr(flaw, bad[_i].flaw), "%s", flaw);
}
END_TEST

START_TEST(knows_how_much_the_kernel_reads) {
    struct script script;
    char head[SCRIPT_HEAD];
    memset(head, 'x', sizeof(head));
    memcpy(head, "#!/", 3);
    ck_assert_ptr_nonnull(script_parse(slice_make(head, sizeof(head)), &script));
    ck_assert_ptr_null(script_parse(slice_make(head, sizeof(head) - 1), &script));
    head[sizeof(head) - 1] = '\n';
    ck_assert_ptr_null(script_parse(slice_make(head, sizeof(head)), &script));
    ck_assert_uint_eq(script.interpreter.len, sizeof(head) - 3);
}
END_TEST

START_TEST(tells_a_script) {
    ck_assert(!script_is(SLICE("")));
    ck_assert(!script_is(SLICE("#")));
    ck_assert(!script_is(SLICE(" #!/bin/sh")));
    ck_assert(!script_is(SLICE("\xef\xbb\xbf")));
    ck_assert(script_is(SLICE("#!")));
}
END_TEST

static const struct {
    const char *argument;
    /// NULL: refused.
    const char *program;
} envs[] = {
    {"python3", "python3"},
    {"python3 -u", NULL},
    {"-S python3 -u", "python3"},
    {"-Spython3 -u", "python3"},
    {"--split-string=python3 -u", "python3"},
    {"-S -i A=b node --x", "node"},
    {"-S A=b /opt/bin/x", "/opt/bin/x"},
    {"A=b node", NULL},
    {"-i sh", NULL},
    // The next word may be the option's.
    {"-S -u A sh", ""},
    {"", ""},
    {"-S", ""},
};

START_TEST(finds_what_env_runs) {
    struct slice program;
    const char *flaw = script_parse_env(slice_text(envs[_i].argument), &program);
    if (!envs[_i].program) {
        ck_assert_ptr_nonnull(flaw);
        ck_assert_ptr_nonnull(strstr(flaw, "env -S"));
    } else {
        ck_assert_ptr_null(flaw);
        ck_assert(slice_equal_text(program, envs[_i].program));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("script");
    TCase *tcase = tcase_create("script");
    tcase_add_loop_test(tcase, reads_the_line_as_the_kernel_does, 0, ARRAY_LENGTH(lines));
    tcase_add_loop_test(tcase, says_why_the_kernel_cannot_run_it, 0, ARRAY_LENGTH(bad));
    tcase_add_test(tcase, knows_how_much_the_kernel_reads);
    tcase_add_test(tcase, tells_a_script);
    tcase_add_loop_test(tcase, finds_what_env_runs, 0, ARRAY_LENGTH(envs));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
