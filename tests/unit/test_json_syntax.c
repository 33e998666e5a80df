// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/json_syntax.h"

static struct error err;

static const char *const objects[] = {
    "{}",
    " \t\r\n{ } \n",
    "{\"a\":1}",
    "{\"a\":{\"b\":[{},[],[[]],{\"c\":null}]},\"d\":true,\"e\":false}",
    "{\"a\":[1,-1,0,-0,1.5,1e9,1E-9,1.25e+10,123456789012345678901234567890,1e999]}",
    "{\"\":\"\"}",
    "{\"a\":\"\\u0000\\ud800\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
    "{\"\\u0000\":\"caf\xc3\xa9 \xf0\x9f\x98\x80 \x7f\"}",
    "{\"a\":1,\"a\":2}",
};

START_TEST(takes_every_object) {
    const char *text = objects[_i];
    ck_assert_msg(json_is_object(slice_text(text), &err), "%s: %s", text, err.message);
}
END_TEST

static const char *const others[] = {
    "",
    " ",
    "{",
    "}",
    "[{}]",
    "[]",
    "1",
    "\"{}\"",
    "null",
    "{}{}",
    "{} x",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1 2]}",
    "{\"a\":[}]",
    "{\"a\":{]}",
    "{'a':1}",
    "{a:1}",
    "{\"a\":01}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":1e}",
    "{\"a\":-}",
    "{\"a\":NaN}",
    "{\"a\":True}",
    "{\"a\":nul}",
    "{\"a\":\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\\\"}",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc3\"}",
    "{\"a",
    "{\"",
    "{\"a\":\"b",
    "\xef\xbb\xbf{}",
    "{\"a\":1}}",
    "{/* */}",
};

START_TEST(takes_nothing_else) {
    const char *text = others[_i];
    ck_assert_msg(!json_is_object(slice_text(text), &err), "%s", text);
    ck_assert_str_eq(err.code, "json");
}
END_TEST

START_TEST(says_what_is_wrong) {
    ck_assert(!json_is_object(SLICE("{\"a\":[1,x]}"), &err));
    ck_assert_str_eq(err.message, "not JSON, from byte 8 on");
    ck_assert(!json_is_object(SLICE("[{}]"), &err));
    ck_assert_str_eq(err.message, "not an object");
}
END_TEST

START_TEST(takes_a_nul_byte_for_what_it_is) {
    ck_assert(!json_is_object(slice_make("{\0}", 3), &err));
    ck_assert(!json_is_object(slice_make("{}\0", 3), &err));
    ck_assert(!json_is_object(slice_make("{\"a\":\"\0\"}", 9), &err));
}
END_TEST

START_TEST(goes_as_deep_as_the_text) {
    enum { DEPTH = 1000003 };
    cleanup_buffer struct buffer text = BUFFER_INIT((size_t)8 << 20);
    buffer_append_text(&text, "{\"a\":");
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_text(&text, i % 3 == 0 ? "[" : "{\"b\":");
    }
    buffer_append_text(&text, "{}");
    for (int i = DEPTH - 1; i >= 0; i--) {
        buffer_append_byte(&text, i % 3 == 0 ? ']' : '}');
    }
    ck_assert(!json_is_object(buffer_slice(&text), &err));
    buffer_append_byte(&text, '}');
    ck_assert_msg(json_is_object(buffer_slice(&text), &err), "%s", err.message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_syntax");
    TCase *tcase = tcase_create("json_syntax");
    tcase_add_loop_test(tcase, takes_every_object, 0, sizeof(objects) / sizeof(objects[0]));
    tcase_add_loop_test(tcase, takes_nothing_else, 0, sizeof(others) / sizeof(others[0]));
    tcase_add_test(tcase, says_what_is_wrong);
    tcase_add_test(tcase, takes_a_nul_byte_for_what_it_is);
    tcase_add_test(tcase, goes_as_deep_as_the_text);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
