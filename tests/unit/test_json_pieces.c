// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/array.h"
#include "common/buffer.h"
#include "common/json_pieces.h"

/// Appends each piece as "name=value;".
static struct json_pieces walk(struct slice text, struct buffer *out) {
    struct json_pieces pieces = {.text = text};
    struct json_piece piece;
    while (json_pieces_next(&pieces, &piece)) {
        buffer_append(out, piece.name);
        buffer_append_byte(out, '=');
        buffer_append(out, piece.value);
        buffer_append_byte(out, ';');
    }
    ck_assert(pieces.ended != pieces.broken);
    ck_assert_uint_le(pieces.at, text.len);
    ck_assert(!json_pieces_next(&pieces, &piece));
    ck_assert(piece.name.len == 0 && piece.value.len == 0);
    return pieces;
}

static const struct {
    const char *text;
    const char *pieces;
} whole[] = {
    {"{}", ""},
    {"[]", ""},
    {" \t\r\n{ \n} ", ""},
    {"{\"a\":1}", "a=1;"},
    {" { \"a\" : 1 , \"b\" : [ 2 , 3 ] } ", "a=1;b=[ 2 , 3 ];"},
    {"[1,\"two\",true,false,null,{\"a\":{}},[[]],-1.5e+9]",
     "=1;=\"two\";=true;=false;=null;={\"a\":{}};=[[]];=-1.5e+9;"},
    {"{\"\":\"\",\"a\":1,\"a\":2}", "=\"\";a=1;a=2;"},
    {"{\"\\\"}\":\"]}\\\\\",\"\\u0000\":\"\\ud800\"}", "\\\"}=\"]}\\\\\";\\u0000=\"\\ud800\";"},
    {"[\"\xff\xc3\",1]", "=\"\xff\xc3\";=1;"},
};

START_TEST(finds_each_piece_of_a_whole_text) {
    cleanup_buffer struct buffer found = BUFFER_INIT(1 << 12);
    const struct json_pieces pieces = walk(slice_text(whole[_i].text), &found);
    ck_assert_str_eq(buffer_text(&found), whole[_i].pieces);
    ck_assert(pieces.ended);
    ck_assert_int_eq(pieces.is_object, strchr(whole[_i].text, '{') && whole[_i].text[0] != '[');
}
END_TEST

START_TEST(leaves_alone_what_follows) {
    cleanup_buffer struct buffer found = BUFFER_INIT(1 << 12);
    const struct json_pieces pieces = walk(SLICE("[1] [2]"), &found);
    ck_assert_str_eq(buffer_text(&found), "=1;");
    ck_assert(pieces.ended);
    ck_assert_uint_eq(pieces.at, 3);
}
END_TEST

static const struct {
    const char *text;
    const char *pieces;
    size_t at;
} broken[] = {
    {"", "", 0},
    {"  ", "", 2},
    {"1", "", 0},
    {"\"{}\"", "", 0},
    {"null", "", 0},
    {"}", "", 0},
    {"{", "", 1},
    {"[", "", 1},
    {"{]", "", 1},
    {"[}", "", 1},
    {"{,}", "", 1},
    {"[,]", "", 1},
    {"{a:1}", "", 1},
    {"{\"a\"}", "", 4},
    {"{\"a\":}", "", 5},
    {"{\"a\":1,}", "a=1;", 7},
    {"[1,]", "=1;", 3},
    {"[1 2]", "=1;", 3},
    {"[1}", "=1;", 2},
    {"{\"a\":1]", "a=1;", 6},
    {"[1,01]", "=1;=0;", 4},
    {"[1,{\"a\":[}]]", "=1;", 3},
    {"[1,\"\n\"]", "=1;", 3},
    {"[1,\"\\q\"]", "=1;", 3},
    {"[1,\"a", "=1;", 3},
    {"[\"a\"", "=\"a\";", 4},
    {"{\"a\":\"b\",\"c", "a=\"b\";", 9},
    {"\xef\xbb\xbf[]", "", 0},
};

START_TEST(finds_what_is_there_of_a_broken_text) {
    cleanup_buffer struct buffer found = BUFFER_INIT(1 << 12);
    const struct json_pieces pieces = walk(slice_text(broken[_i].text), &found);
    ck_assert_str_eq(buffer_text(&found), broken[_i].pieces);
    ck_assert(pieces.broken);
    ck_assert_msg(pieces.at == broken[_i].at, "%s: %zu", broken[_i].text, pieces.at);
}
END_TEST

/// Of a number that was cut the rest would be another number.
START_TEST(takes_no_part_of_a_piece_for_the_piece) {
    const struct slice text =
        SLICE("{\"a\":123,\"b\":\"c\\u0041\",\"d\":[1,{\"e\":-2.5e10}],\"f\":true}");
    cleanup_buffer struct buffer all = BUFFER_INIT(1 << 12);
    ck_assert(walk(text, &all).ended);
    for (size_t cut = 0; cut < text.len; cut++) {
        cleanup_buffer struct buffer found = BUFFER_INIT(1 << 12);
        ck_assert(walk(slice_make(text.data, cut), &found).broken);
        ck_assert_msg(slice_starts_with(buffer_slice(&all), buffer_slice(&found)), "%s",
                      buffer_text(&found));
    }
}
END_TEST

static void append_many(struct buffer *text, char byte, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(text, byte);
    }
}

START_TEST(goes_as_deep_as_the_runner) {
    for (size_t depth = JSON_PIECES_MAX_DEPTH; depth <= JSON_PIECES_MAX_DEPTH + 1; depth++) {
        cleanup_buffer struct buffer text = BUFFER_INIT(1 << 16);
        cleanup_buffer struct buffer found = BUFFER_INIT(1 << 16);
        buffer_append_byte(&text, '[');
        append_many(&text, '[', depth);
        append_many(&text, ']', depth);
        buffer_append_byte(&text, ']');
        ck_assert_int_eq(walk(buffer_slice(&text), &found).ended, depth == JSON_PIECES_MAX_DEPTH);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_pieces");
    TCase *tcase = tcase_create("json_pieces");
    tcase_add_loop_test(tcase, finds_each_piece_of_a_whole_text, 0, (int)ARRAY_LENGTH(whole));
    tcase_add_test(tcase, leaves_alone_what_follows);
    tcase_add_loop_test(tcase, finds_what_is_there_of_a_broken_text, 0, (int)ARRAY_LENGTH(broken));
    tcase_add_test(tcase, takes_no_part_of_a_piece_for_the_piece);
    tcase_add_test(tcase, goes_as_deep_as_the_runner);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
