// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/json.h"

static struct error err;

/// Parses `text`, which must be good, as "event".
static struct json_document parse(const char *text) {
    struct json_document document;
    ck_assert_msg(json_parse(slice_text(text), "event", &document, &err), "%s", err.message);
    return document;
}

START_TEST(reads_members_by_name_and_type) {
    cleanup_json_document struct json_document event =
        parse("{\"job\": {\"id\": 41, \"name\": \"caf\\u00e9\", \"ok\": true, \"list\": [1, 2],"
              "\"none\": null, \"big\": 9007199254740992, \"minus\": -3}}");
    struct json job;
    struct json list;
    struct slice name;
    int64_t number = 0;
    bool ok = false;
    ck_assert(json_get_object(&event.root, "job", &job, &err));
    ck_assert(json_get_integer(&job, "id", &number, &err));
    ck_assert_int_eq(number, 41);
    ck_assert(json_get_string(&job, "name", &name, &err));
    ck_assert(slice_equal(name, SLICE("caf\xc3\xa9")));
    ck_assert(json_get_boolean(&job, "ok", &ok, &err));
    ck_assert(ok);
    ck_assert(json_get_integer(&job, "big", &number, &err));
    ck_assert_int_eq(number, INT64_C(9007199254740992));
    ck_assert(json_get_integer(&job, "minus", &number, &err));
    ck_assert_int_eq(number, -3);
    ck_assert(json_get_array(&job, "list", &list, &err));
    ck_assert(json_has(&job, "ok"));
    ck_assert(!json_has(&job, "none"));
    ck_assert(!json_has(&job, "OK"));
}
END_TEST

START_TEST(names_the_place_of_what_is_wrong) {
    cleanup_json_document struct json_document event =
        parse("{\"job\": {\"id\": \"x\", \"half\": 1.5, \"huge\": 1e300, \"list\": [{\"a\": 1}]}}");
    struct json job;
    struct json value;
    struct slice text;
    int64_t number = 7;
    bool flag = false;
    ck_assert(json_get_object(&event.root, "job", &job, &err));
    ck_assert(!json_get_integer(&job, "id", &number, &err));
    ck_assert_str_eq(err.code, "json");
    ck_assert_str_eq(err.message, "event.job.id: expected an integer");
    ck_assert(!json_get_integer(&job, "half", &number, &err));
    ck_assert(!json_get_integer(&job, "huge", &number, &err));
    ck_assert_int_eq(number, 7);
    ck_assert(!json_get_string(&job, "name", &text, &err));
    ck_assert_str_eq(err.message, "event.job.name: missing");
    ck_assert(!json_get_string(&job, "half", &text, &err));
    ck_assert_str_eq(err.message, "event.job.half: expected a string");
    ck_assert(!json_get_boolean(&job, "id", &flag, &err));
    ck_assert_str_eq(err.message, "event.job.id: expected true or false");
    ck_assert(!json_get_object(&job, "list", &value, &err));
    ck_assert_str_eq(err.message, "event.job.list: expected an object");
    ck_assert(!json_get_array(&event.root, "job", &value, &err));
    ck_assert_str_eq(err.message, "event.job: expected an array");
    ck_assert(json_get_array(&job, "list", &value, &err));
    struct json_iterator it = {0};
    ck_assert(json_each(&value, &it));
    ck_assert(!json_get_string(&it.value, "a", &text, &err));
    ck_assert_str_eq(err.message, "event.job.list[0].a: expected a string");
    ck_assert(!json_get(&value, "a", &value, &err));
    ck_assert_str_eq(err.message, "event.job.list: expected an object");
}
END_TEST

START_TEST(walks_over_arrays_and_objects) {
    cleanup_json_document struct json_document event =
        parse("{\"b\": [10, 20], \"a\": {}, \"c\": 3}");
    cleanup_buffer struct buffer seen = BUFFER_INIT(1000);
    struct json_iterator members = {0};
    while (json_each(&event.root, &members)) {
        buffer_appendf(&seen, "%" SLICE_FORMAT "=%s;", SLICE_ARGUMENTS(members.key),
                       members.value.path);
        struct json_iterator elements = {0};
        while (json_each(&members.value, &elements)) {
            int64_t number = 0;
            ck_assert(json_as_integer(&elements.value, &number, &err));
            buffer_appendf(&seen, "%zu:%d;", elements.index, (int)number);
        }
    }
    ck_assert_str_eq(buffer_text(&seen), "b=event.b;0:10;1:20;a=event.a;c=event.c;");
}
END_TEST

START_TEST(refuses_what_is_no_json) {
    static const char *const cases[][2] = {
        {"", "event: empty, expected JSON"},
        {" ", "event: not JSON, from byte 1 on"},
        {"{", "event: not JSON, from byte 1 on"},
        {"{\"a\":}", "event: not JSON, from byte 5 on"},
        {"{\"a\":1,}", "event: not JSON, from byte 7 on"},
        {"{'a':1}", "event: not JSON, from byte 1 on"},
        {"[1 2]", "event: not JSON, from byte 3 on"},
        {"nul", "event: not JSON, from byte 0 on"},
        {"{} {}", "event: something follows the JSON value, at byte 2"},
        {"{}x", "event: something follows the JSON value, at byte 2"},
        {"{\"a\":\"\\u0000\"}", "event: a string holds \\u0000"},
        {"{\"\\u0000\":1}", "event: a string holds \\u0000"},
        {"[\"\\\\\\u0000\"]", "event: a string holds \\u0000"},
        {"[\"a\nb\"]", "event: a string holds an unescaped control character"},
        {"[\v]", "event: a control character between the values"},
        {"[\"\\ud800\"]", "event: not JSON, from byte 2 on"},
        {"[\"\\x\"]", "event: not JSON, from byte 2 on"},
        {"[\"", "event: not JSON, from byte 2 on"},
        {"[\"\\", "event: not JSON, from byte 1 on"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_document document;
        ck_assert_msg(!json_parse(slice_text(cases[i][0]), "event", &document, &err), "%s",
                      cases[i][0]);
        ck_assert_str_eq(err.code, "json");
        // Where exactly cJSON gives up is its own business.
        const char *at = strstr(cases[i][1], ", from byte");
        const size_t length = at != NULL ? (size_t)(at - cases[i][1]) : strlen(cases[i][1]);
        ck_assert_msg(strncmp(err.message, cases[i][1], length) == 0, "%s: %s", cases[i][0],
                      err.message);
    }
    struct json_document document;
    ck_assert(!json_parse(SLICE("{\"a\0b\":1}"), "event", &document, &err));
    ck_assert(!json_parse(SLICE("{}\0"), "event", &document, &err));
    ck_assert(json_parse(SLICE(" [\"\\\\u0000\"]\r\n\t"), "event", &document, &err));
    json_document_clean_up(&document);
}
END_TEST

START_TEST(limits_the_depth) {
    for (int depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        cleanup_buffer struct buffer text = BUFFER_INIT(1000);
        for (int i = 0; i < depth; i++) {
            buffer_append_byte(&text, '[');
        }
        buffer_append_text(&text, "\"[[[[\"");
        for (int i = 0; i < depth; i++) {
            buffer_append_byte(&text, ']');
        }
        cleanup_json_document struct json_document document;
        ck_assert_int_eq(json_parse(buffer_slice(&text), "event", &document, &err),
                         depth == JSON_MAX_DEPTH);
    }
    ck_assert_str_eq(err.message, "event: nested deeper than 100");
}
END_TEST

START_TEST(prints_what_was_built) {
    json_initialise();
    cleanup_cjson cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "id", 999999999999999.0);
    cJSON_AddNullToObject(object, "none");
    cJSON_AddItemToObject(object, "text", json_create_string(SLICE("a\"\n\xff")));
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    ck_assert(json_print(object, &text, &err));
    ck_assert_str_eq(buffer_text(&text), "{\"id\":999999999999999,\"none\":null,"
                                         "\"text\":\"a\\\"\\n\xef\xbf\xbd\"}");
    cleanup_buffer struct buffer small = BUFFER_INIT(5);
    ck_assert(!json_print(object, &small, &err));
    ck_assert_str_eq(err.code, "too_large");
}
END_TEST

START_TEST(escapes_any_bytes) {
    char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i + 1); // No NUL: it is tried below.
    }
    bytes[255] = 'x';
    cleanup_buffer struct buffer text = BUFFER_INIT(10000);
    buffer_append_byte(&text, '[');
    ck_assert(json_append_string(&text, slice_make(bytes, sizeof(bytes))));
    buffer_append_byte(&text, ']');
    cleanup_json_document struct json_document document = parse(buffer_text(&text));
    struct json_iterator it = {0};
    struct slice back;
    ck_assert(json_each(&document.root, &it));
    ck_assert(json_as_string(&it.value, &back, &err));
    ck_assert_int_eq(memcmp(back.data, bytes, 127), 0);
    buffer_reset(&text);
    json_append_string(&text, SLICE("\0\x1f\"\\\x7f\xc3\xa9\xe2\x82"));
    ck_assert_str_eq(buffer_text(&text), "\"\\u0000\\u001f\\\"\\\\\\u007f\xc3\xa9\xef\xbf\xbd"
                                         "\xef\xbf\xbd\"");
}
END_TEST

START_TEST(separates_members) {
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    buffer_append_text(&text, "{\"object\":{");
    json_append_member(&text, "a\"", SLICE("{"));
    json_append_member(&text, "b", SLICE(""));
    buffer_append_byte(&text, '}');
    ck_assert(json_append_member(&text, "c", SLICE("\n")));
    buffer_append_byte(&text, '}');
    ck_assert_str_eq(buffer_text(&text), "{\"object\":{\"a\\\"\":\"{\",\"b\":\"\"},\"c\":\"\\n\"}");
}
END_TEST

START_TEST(shortens_long_paths) {
    cleanup_json_document struct json_document document = parse("{}");
    char key[1000];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    struct json value;
    ck_assert(!json_get(&document.root, key, &value, &err));
    ck_assert_uint_lt(strlen(err.message), JSON_PATH_SIZE + 20);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");
    tcase_add_test(tcase, reads_members_by_name_and_type);
    tcase_add_test(tcase, names_the_place_of_what_is_wrong);
    tcase_add_test(tcase, walks_over_arrays_and_objects);
    tcase_add_test(tcase, refuses_what_is_no_json);
    tcase_add_test(tcase, limits_the_depth);
    tcase_add_test(tcase, prints_what_was_built);
    tcase_add_test(tcase, escapes_any_bytes);
    tcase_add_test(tcase, separates_members);
    tcase_add_test(tcase, shortens_long_paths);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
