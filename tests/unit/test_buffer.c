// SPDX-License-Identifier: Apache-2.0
/// Slices, buffers and encodings.
#include <check.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/system/digest.h"

static struct error err;

START_TEST(compares_slices) {
    ck_assert(slice_equal(SLICE("a\0b"), SLICE("a\0b")));
    ck_assert(!slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    ck_assert(slice_equal(SLICE(""), (struct slice){0}));
    ck_assert(slice_equal(slice_text(NULL), SLICE("")));
    ck_assert(slice_equal_ignoring_case(SLICE("Content-Type"), SLICE("cONTENT-tYPE")));
    ck_assert(!slice_equal_ignoring_case(SLICE("a["), SLICE("a{")));
    ck_assert_int_lt(slice_compare(SLICE("a"), SLICE("ab")), 0);
    ck_assert_int_gt(slice_compare(SLICE("\xff"), SLICE("a")), 0);
    ck_assert_int_eq(slice_compare(SLICE(""), (struct slice){0}), 0);
    ck_assert(slice_starts_with(SLICE("abc"), SLICE("ab")));
    ck_assert(!slice_starts_with(SLICE("a"), SLICE("ab")));
    ck_assert(slice_ends_with(SLICE("abc"), SLICE("bc")));
    ck_assert(!slice_ends_with(SLICE("c"), SLICE("bc")));
    ck_assert(slice_starts_with((struct slice){0}, SLICE("")));
}
END_TEST

START_TEST(cuts_slices) {
    ck_assert(slice_equal(slice_trim(SLICE(" \t\r\n a b \n")), SLICE("a b")));
    ck_assert(slice_equal(slice_trim(SLICE(" ")), SLICE("")));
    ck_assert(slice_equal(slice_skip(SLICE("abc"), 1), SLICE("bc")));
    ck_assert(slice_equal(slice_skip(SLICE("abc"), 9), SLICE("")));
    ck_assert_uint_eq(slice_find(SLICE("abc"), 'c'), 2);
    ck_assert_uint_eq(slice_find(SLICE("abc"), 'd'), 3);
    ck_assert(slice_is_word(SLICE("aZ09-_"), "-_") && slice_is_word(SLICE(""), ""));
    ck_assert(!slice_is_word(SLICE("a b"), "-_") && !slice_is_word(SLICE("a\0b"), "-_"));
    ck_assert(!slice_is_word(SLICE("gr\xc3\xb6"), "-_") && !slice_is_word(SLICE("a_"), "-"));
    ck_assert(slice_is_visible(SLICE("!a~")) && slice_is_visible(SLICE("")));
    ck_assert(!slice_is_visible(SLICE("a b")) && !slice_is_visible(SLICE("\x7f")));
    ck_assert(!slice_is_visible(SLICE("\xc3\xb6")) && !slice_is_visible(SLICE("\0")));
    ck_assert(!slice_has_control(SLICE(" ~\xc3\xb6")) && !slice_has_control(SLICE("")));
    ck_assert(slice_has_control(SLICE("a\n")) && slice_has_control(SLICE("a\0b")));
    ck_assert(slice_has_control(SLICE("\x7f")));
    cleanup_free char *copy = slice_copy(SLICE("abc"));
    ck_assert_str_eq(copy, "abc");
}
END_TEST

START_TEST(splits_slices) {
    static const struct {
        struct slice text;
        const char *joined;
    } cases[] = {
        {{"a,,b", 4}, "[a][][b]"}, {{"a,", 2}, "[a][]"}, {{",", 1}, "[][]"},
        {{"a", 1}, "[a]"},         {{"", 0}, "[]"},      {{NULL, 0}, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_buffer struct buffer joined = BUFFER_INIT(100);
        struct slice rest = cases[i].text;
        struct slice part;
        while (slice_split(&rest, ',', &part)) {
            buffer_appendf(&joined, "[%" SLICE_FORMAT "]", SLICE_ARGUMENTS(part));
        }
        ck_assert_str_eq(buffer_text(&joined), cases[i].joined);
    }
}
END_TEST

START_TEST(parses_integers_and_nothing_else) {
    int64_t value = 0;
    ck_assert(slice_parse_integer(SLICE("0"), &value) && value == 0);
    ck_assert(slice_parse_integer(SLICE("-12"), &value) && value == -12);
    ck_assert(slice_parse_integer(SLICE("007"), &value) && value == 7);
    ck_assert(slice_parse_integer(SLICE("9223372036854775807"), &value) && value == INT64_MAX);
    ck_assert(slice_parse_integer(SLICE("-9223372036854775808"), &value) && value == INT64_MIN);
    value = 5;
    const struct slice bad[] = {SLICE(""),     SLICE("-"),   SLICE("+1"),
                                SLICE(" 1"),   SLICE("1 "),  SLICE("1.0"),
                                SLICE("0x10"), SLICE("1\0"), SLICE("9223372036854775808"),
                                SLICE("--1"),  SLICE("1e3"), SLICE("-9223372036854775809")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert(!slice_parse_integer(bad[i], &value));
    }
    ck_assert_int_eq(value, 5);
}
END_TEST

START_TEST(grows_up_to_its_maximum_and_no_further) {
    cleanup_buffer struct buffer buffer = BUFFER_INIT(10);
    ck_assert_str_eq(buffer_text(&buffer), "");
    ck_assert(buffer_append_text(&buffer, "12345"));
    ck_assert(buffer_appendf(&buffer, "%d%s", 67, "890"));
    ck_assert_str_eq(buffer_text(&buffer), "1234567890");
    ck_assert(buffer_check(&buffer, "x", &err));
    ck_assert(!buffer_append_byte(&buffer, 'x'));
    ck_assert(!buffer_append_text(&buffer, ""));
    ck_assert(!buffer_appendf(&buffer, "%d", 1));
    ck_assert_str_eq(buffer_text(&buffer), "1234567890");
    ck_assert(!buffer_check(&buffer, "the answer", &err));
    ck_assert_str_eq(err.code, "too_large");
    ck_assert_str_eq(err.message, "the answer: larger than 10 bytes");
    buffer_reset(&buffer);
    ck_assert(buffer_append_text(&buffer, "again"));
    ck_assert_ptr_null(buffer_reserve(&buffer, SIZE_MAX));
}
END_TEST

START_TEST(takes_in_parts_of_itself) {
    cleanup_buffer struct buffer buffer = BUFFER_INIT(1 << 20);
    buffer_append_text(&buffer, "abc");
    for (int i = 0; i < 10; i++) {
        ck_assert(buffer_append(&buffer, buffer_slice(&buffer)));
    }
    ck_assert_uint_eq(buffer.len, 3 << 10);
    for (size_t i = 0; i < buffer.len; i += 3) {
        ck_assert_int_eq(memcmp(buffer.data + i, "abc", 3), 0);
    }
}
END_TEST

START_TEST(truncates_and_takes_in) {
    cleanup_buffer struct buffer buffer = BUFFER_INIT(100);
    buffer_append_text(&buffer, "0123456789");
    buffer_truncate(&buffer, 2);
    ck_assert_str_eq(buffer_text(&buffer), "01");
    buffer_truncate(&buffer, 20);
    ck_assert_str_eq(buffer_text(&buffer), "01");
    buffer_truncate(&buffer, 0);
    ck_assert_str_eq(buffer_text(&buffer), "");
    char *end = buffer_reserve(&buffer, 5);
    memcpy(end, "abcde", 5);
    buffer_commit(&buffer, 3);
    ck_assert_str_eq(buffer_text(&buffer), "abc");
}
END_TEST

START_TEST(wipes_what_is_sensitive) {
    struct buffer buffer = BUFFER_INIT_SENSITIVE(1000);
    buffer_append_text(&buffer, "the secret token");
    buffer_truncate(&buffer, 4);
    ck_assert_int_eq(memcmp(buffer.data + 4, "\0\0\0\0\0\0\0\0\0\0\0\0", 12), 0);
    buffer_append_text(&buffer, "second");
    buffer_reset(&buffer);
    ck_assert_int_eq(memcmp(buffer.data, "\0\0\0\0\0\0\0\0\0\0", 10), 0);
    ck_assert(buffer_appendf(&buffer, "%0300d", 7));
    ck_assert_uint_eq(buffer.len, 300);
    buffer_clean_up(&buffer);
    ck_assert(buffer.sensitive);
    buffer_clean_up(&buffer);
}
END_TEST

START_TEST(encodes_and_decodes_base64) {
    static const char *const known[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    cleanup_buffer struct buffer text = BUFFER_INIT(1 << 20);
    cleanup_buffer struct buffer bytes = BUFFER_INIT(1 << 20);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        buffer_reset(&text);
        buffer_reset(&bytes);
        ck_assert(encoding_append_base64(&text, slice_text(known[i][0])));
        ck_assert_str_eq(buffer_text(&text), known[i][1]);
        ck_assert(encoding_decode_base64(&bytes, slice_text(known[i][1]), &err));
        ck_assert_str_eq(buffer_text(&bytes), known[i][0]);
    }
    const struct slice bad[] = {SLICE("Z"),     SLICE("Zg"),       SLICE("Zg="),  SLICE("Z==="),
                                SLICE("===="),  SLICE("Zg==Zg=="), SLICE("Z-=="), SLICE("Zm9v\n"),
                                SLICE(" Zm9v"), SLICE("Zm\0v"),    SLICE("Zg=a")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert(!encoding_decode_base64(&bytes, bad[i], &err));
        ck_assert_str_eq(err.code, "base64");
    }
    // More than OpenSSL is given at a time, of every remainder.
    for (size_t size = 199998; size < 200001; size++) {
        cleanup_free char *data = xmalloc(size);
        for (size_t i = 0; i < size; i++) {
            data[i] = (char)(i * 7 % 256);
        }
        buffer_reset(&text);
        buffer_reset(&bytes);
        ck_assert(encoding_append_base64(&text, slice_make(data, size)));
        ck_assert(encoding_decode_base64(&bytes, buffer_slice(&text), &err));
        ck_assert(slice_equal(buffer_slice(&bytes), slice_make(data, size)));
    }
    cleanup_buffer struct buffer small = BUFFER_INIT(3);
    ck_assert(!encoding_append_base64(&small, SLICE("x")));
}
END_TEST

START_TEST(encodes_hex_percent_and_digests) {
    cleanup_buffer struct buffer text = BUFFER_INIT(100);
    encoding_append_hex(&text, SLICE("\x00\xff\x0a"));
    ck_assert_str_eq(buffer_text(&text), "00ff0a");
    buffer_reset(&text);
    encoding_append_percent(&text, SLICE("a/b c~\xc3\xa9%\0"), "/");
    ck_assert_str_eq(buffer_text(&text), "a/b%20c~%C3%A9%25%00");
    char hex[DIGEST_HEX_SIZE];
    digest_text_hex((struct slice){0}, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(makes_any_bytes_valid_utf8) {
    static const char *const cases[][2] = {
        {"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc3(", "\xef\xbf\xbd("},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 // overlong
        {"\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 // overlong
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 // a surrogate
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, // over U+10FFFF
        {"\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_buffer struct buffer text = BUFFER_INIT(100);
        ck_assert(encoding_append_valid_utf8(&text, slice_text(cases[i][0])));
        ck_assert_str_eq(buffer_text(&text), cases[i][1]);
    }
}
END_TEST

START_TEST(shows_what_steers_a_terminal) {
    cleanup_buffer struct buffer text = BUFFER_INIT(100);
    ck_assert(encoding_append_printable(&text, SLICE("a \x1b[2J\n\x7f \xc3\xa9")));
    ck_assert_str_eq(buffer_text(&text), "a \\x1b[2J\\x0a\\x7f \xc3\xa9");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("buffer");
    TCase *tcase = tcase_create("buffer");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, shows_what_steers_a_terminal);
    tcase_add_test(tcase, compares_slices);
    tcase_add_test(tcase, cuts_slices);
    tcase_add_test(tcase, splits_slices);
    tcase_add_test(tcase, parses_integers_and_nothing_else);
    tcase_add_test(tcase, grows_up_to_its_maximum_and_no_further);
    tcase_add_test(tcase, takes_in_parts_of_itself);
    tcase_add_test(tcase, truncates_and_takes_in);
    tcase_add_test(tcase, wipes_what_is_sensitive);
    tcase_add_test(tcase, encodes_and_decodes_base64);
    tcase_add_test(tcase, encodes_hex_percent_and_digests);
    tcase_add_test(tcase, makes_any_bytes_valid_utf8);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
