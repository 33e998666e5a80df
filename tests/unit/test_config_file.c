// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/aws/chain/config_file.h"
#include "common/aws/chain/words.h"
#include "common/cleanup.h"
#include "common/system/files.h"

static struct error err;
static struct config_file file;

static void tear_down(void) {
    config_file_clean_up(&file);
}

static void parse(const char *text) {
    config_file_clean_up(&file);
    ck_assert_msg(config_file_parse(slice_text(text), "config", &file, &err), "%s", err.message);
}

static const char *value(const char *kind, const char *name, const char *key) {
    return config_section_get(config_file_find(&file, kind, name), key);
}

START_TEST(reads_sections_and_keys) {
    parse("# a comment\n"
          "[default]\r\n"
          "Region = eu-central-1 \r\n"
          "; another\n"
          "aws_secret_access_key=a=b:c # kept\n"
          "\n"
          "[profile ci]  behind it\n"
          "  role_arn: arn:aws:iam::123456789012:role/x\n"
          "  empty =");
    ck_assert_str_eq(value(NULL, "default", "region"), "eu-central-1");
    ck_assert_str_eq(value(NULL, "default", "aws_secret_access_key"), "a=b:c # kept");
    ck_assert_str_eq(value("profile", "ci", "role_arn"), "arn:aws:iam::123456789012:role/x");
    ck_assert_str_eq(value("profile", "ci", "empty"), "");
    ck_assert_ptr_null(value("profile", "ci", "region"));
    ck_assert_ptr_null(value("profile", "default", "region"));
    ck_assert_ptr_null(value("services", "ci", "role_arn"));
}
END_TEST

START_TEST(names_profiles_with_and_without_quotes) {
    parse("[profile \"my own\"]\na=1\n[profile   far]\na=2\n[profile 'x']\na=3\n[profile x]\na=4\n"
          "[profile one two]\na=5\n[profile \"open]\na=6\n[profiles y]\na=7\n");
    ck_assert_str_eq(value("profile", "my own", "a"), "1");
    ck_assert_str_eq(value("profile", "far", "a"), "2");
    // Of two named alike the last.
    ck_assert_str_eq(value("profile", "x", "a"), "4");
    ck_assert_ptr_null(config_file_find(&file, "profile", "one"));
    ck_assert_ptr_null(config_file_find(&file, "profile", "y"));
}
END_TEST

START_TEST(reads_blocks) {
    parse("[services local]\n"
          "sts =\n"
          "  endpoint_url = http://localhost:4566\n"
          "\n"
          "  other=1\n"
          "s3 = inline\n"
          "  endpoint_url = http://wrong\n"
          "last = 1\n");
    const char *sts = value("services", "local", "sts");
    cleanup_free char *url = config_block_get(sts, "endpoint_url");
    ck_assert_str_eq(url, "http://localhost:4566");
    cleanup_free char *other = config_block_get(sts, "other");
    ck_assert_str_eq(other, "1");
    ck_assert_ptr_null(config_block_get(sts, "missing"));
    ck_assert_str_eq(value("services", "local", "s3"), "inline\nendpoint_url = http://wrong");
    ck_assert_ptr_null(config_block_get(value("services", "local", "s3"), "endpoint_url"));
    ck_assert_str_eq(value("services", "local", "last"), "1");
}
END_TEST

START_TEST(says_the_line_that_is_wrong) {
    static const struct {
        const char *text;
        size_t len;
        const char *message;
    } cases[] = {
#define CASE(text, message) {text, sizeof(text) - 1, message}
        CASE("a = 1\n", "config: line 1: a key before the first [section]"),
        CASE("[x]\nsecretvalue\n", "config: line 2: neither [section] nor key = value"),
        CASE("[x]\n= 1\n", "config: line 2: neither [section] nor key = value"),
        CASE("[x]\n[open\n", "config: line 2: \"[\" begins a section, write [name]"),
        CASE("\n[]\n", "config: line 2: \"[\" begins a section, write [name]"),
        CASE("[x]\n\n[x]\n", "config: line 3: section [x] stands in line 1 already, join the two"),
        CASE("[x]\na=1\nA=2\n", "config: line 3: \"a\" stands twice in [x]"),
        CASE("[x]\na=\0\n", "config: it must be text, but has a NUL byte"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_file broken;
        ck_assert(
            !config_file_parse(slice_make(cases[i].text, cases[i].len), "config", &broken, &err));
        ck_assert_str_eq(err.message, cases[i].message);
        ck_assert_str_eq(err.code, "config");
        ck_assert_uint_eq(broken.count, 0);
    }
}
END_TEST

START_TEST(takes_a_missing_file_for_an_empty_one) {
    ck_assert(config_file_read("/nonexistent/config", &file, &err));
    ck_assert_uint_eq(file.count, 0);
    ck_assert(config_file_read("/", &file, &err)); // As botocore.
    ck_assert_uint_eq(file.count, 0);
    ck_assert(strstr(err.message, "/") != NULL);
}
END_TEST

START_TEST(splits_words_as_a_shell_does_and_runs_none) {
    cleanup_words struct words words = {0};
    ck_assert(words_split(SLICE(" a  'b c'\"d \\\" \\x\"e\\ f '' $HOME;`x`|\t\n"), &words, &err));
    static const char *const expected[] = {"a", "b cd \" \\xe f", "", "$HOME;`x`|"};
    ck_assert_uint_eq(words.count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(words.items[i], expected[i]);
    }
    ck_assert_ptr_null(words.items[4]);
}
END_TEST

START_TEST(refuses_words_that_do_not_end) {
    static const char *const cases[][2] = {
        {"a 'b", "a ' is not closed"},
        {"\"\\\"", "a \" is not closed"},
        {"a \\", "a backslash stands at the end"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_words struct words words = {0};
        ck_assert(!words_split(slice_text(cases[i][0]), &words, &err));
        ck_assert_str_eq(err.message, cases[i][1]);
    }
}
END_TEST

START_TEST(gives_all_sections_the_keys_of_DEFAULT) {
    parse("[profile a]\nregion = own\n[DEFAULT]\nregion = r\nx = 1\n[b]\n[DEFAULT]\ny = 2\n");
    ck_assert_str_eq(value("profile", "a", "region"), "own");
    ck_assert_str_eq(value("profile", "a", "x"), "1");
    ck_assert_str_eq(value(NULL, "b", "region"), "r");
    ck_assert_str_eq(value(NULL, "b", "y"), "2");
    ck_assert_ptr_null(config_file_find(&file, NULL, "DEFAULT"));
}
END_TEST

START_TEST(trims_what_python_takes_for_blank) {
    parse("[x]\na\xc2\xa0=\xc2\xa0k\xc2\xa0v\xc2\xa0 \xe2\x80\xaf\nb=\xe3\x80\x80\n");
    ck_assert_str_eq(value(NULL, "x", "a"), "k\xc2\xa0v");
    ck_assert_str_eq(value(NULL, "x", "b"), "");
}
END_TEST

START_TEST(takes_the_last_of_two_equal_keys_in_a_block) {
    parse("[services s]\nsts =\n  endpoint_url = a\n  endpoint_url = b\n");
    cleanup_free char *url = config_block_get(value("services", "s", "sts"), "endpoint_url");
    ck_assert_str_eq(url, "b");
}
END_TEST

START_TEST(reads_a_file_of_many_megabytes) {
    enum { SECTIONS = 200000 };
    cleanup_buffer struct buffer text = BUFFER_INIT(16 << 20);
    for (int i = 0; i < SECTIONS; i++) {
        buffer_appendf(&text, "[profile name-%d]\nregion = r%d\n", i, i);
    }
    parse(buffer_text(&text));
    ck_assert_uint_eq(file.count, SECTIONS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config_file");
    TCase *tcase = tcase_create("config_file");
    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, reads_sections_and_keys);
    tcase_add_test(tcase, names_profiles_with_and_without_quotes);
    tcase_add_test(tcase, reads_blocks);
    tcase_add_test(tcase, says_the_line_that_is_wrong);
    tcase_add_test(tcase, takes_a_missing_file_for_an_empty_one);
    tcase_add_test(tcase, splits_words_as_a_shell_does_and_runs_none);
    tcase_add_test(tcase, gives_all_sections_the_keys_of_DEFAULT);
    tcase_add_test(tcase, trims_what_python_takes_for_blank);
    tcase_add_test(tcase, takes_the_last_of_two_equal_keys_in_a_block);
    tcase_add_test(tcase, reads_a_file_of_many_megabytes);
    tcase_add_test(tcase, refuses_words_that_do_not_end);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
