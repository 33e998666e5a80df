// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "bootstrap/credentials/runner_token.h"
#include "common/cleanup.h"
#include "common/json.h"

static struct error err;

// --- What was stored ---------------------------------------------------------------------------

struct stored {
    const char *text;
    unsigned reads;
    int64_t deadline_ms;
};

static struct secret *read_stored(void *context, int64_t deadline_ms, struct error *error) {
    struct stored *stored = context;
    stored->reads++;
    stored->deadline_ms = deadline_ms;
    if (!stored->text) {
        error_set(error, "AccessDeniedException", "no");
        return NULL;
    }
    return secret_new(slice_text(stored->text));
}

/// The token in what was stored; NULL where there is none.
static struct secret *token_in(struct slice text) {
    cleanup_free char *copy = slice_copy(text);
    struct stored stored = {.text = copy};
    cleanup_token_source struct token_source *source =
        token_source_new(read_stored, &stored, "the secret X");
    return token_source_get(source, 0, &err);
}

static void parses(const char *stored, const char *expected) {
    cleanup_secret struct secret *token = token_in(slice_text(stored));
    ck_assert_msg(token != NULL, "%s: %s", stored, err.message);
    ck_assert_msg(slice_equal_text(secret_expose(token), expected), "%s", stored);
}

START_TEST(takes_the_token_as_text_or_in_json) {
    parses("glrt-abc_DEF-1.2", "glrt-abc_DEF-1.2");
    parses(" \r\n\tglrt-abc\n", "glrt-abc");
    parses("{\"token\":\"glrt-abc\"}", "glrt-abc");
    parses(" {\"a\":[1],\"token\":\" glrt-abc\\n\",\"b\":\"x\"} \n", "glrt-abc");
}
END_TEST

START_TEST(refuses_what_cannot_be_a_token_and_does_not_show_it) {
    static const char *const bad[] = {
        "",
        "  \n",
        "hidden secret",
        "hidden\x7f",
        "hidden\xc3\xa9",
        "{\"hidden\":\"x\"}",
        "{\"token\":1,\"x\":\"hidden\"}",
        "{\"token\":\"\",\"x\":\"hidden\"}",
        "{\"token\":\"hidden secret\"}",
        "{\"token\":\"hidden\"",
        "{hidden}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(token_in(slice_text(bad[i])) == NULL, "%s", bad[i]);
        ck_assert_str_eq(err.code, "Runtime.TokenUnavailable");
        ck_assert_msg(strstr(err.message, "hidden") == NULL, "%s", err.message);
    }
    char longer[600];
    memset(longer, 'x', sizeof(longer));
    ck_assert(token_in(slice_make(longer, 513)) == NULL);
    cleanup_secret struct secret *longest = token_in(slice_make(longer, 512));
    ck_assert(longest != NULL);
}
END_TEST

// --- The source --------------------------------------------------------------------------------

static bool is(struct secret *token, const char *expected) {
    bool same = token && slice_equal_text(secret_expose(token), expected);
    secret_destroy(token);
    return same;
}

START_TEST(reads_the_token_once) {
    struct stored stored = {.text = "one"};
    cleanup_token_source struct token_source *source =
        token_source_new(read_stored, &stored, "the secret X");
    ck_assert_uint_eq(stored.reads, 0);
    ck_assert(is(token_source_get(source, 7, &err), "one"));
    ck_assert(is(token_source_get(source, 8, &err), "one"));
    ck_assert_uint_eq(stored.reads, 1);
    ck_assert_int_eq(stored.deadline_ms, 7);
}
END_TEST

START_TEST(reads_it_again_where_it_was_refused) {
    struct stored stored = {.text = "one"};
    cleanup_token_source struct token_source *source =
        token_source_new(read_stored, &stored, "the secret X");
    cleanup_secret struct secret *one = token_source_get(source, 0, &err);
    stored.text = "two";
    ck_assert(is(token_source_refresh(source, one, 0, &err), "two"));
    ck_assert(is(token_source_get(source, 0, &err), "two"));
    // Somebody else has done so meanwhile.
    ck_assert(is(token_source_refresh(source, one, 0, &err), "two"));
    ck_assert_uint_eq(stored.reads, 2);
}
END_TEST

START_TEST(says_where_the_token_could_not_be_read) {
    struct stored stored = {0};
    cleanup_token_source struct token_source *source =
        token_source_new(read_stored, &stored, "the secret X");
    ck_assert(token_source_get(source, 0, &err) == NULL);
    ck_assert_str_eq(err.code, "Runtime.TokenUnavailable");
    ck_assert(strstr(err.message, "the secret X") != NULL);
    ck_assert(strstr(err.message, "AccessDeniedException") != NULL);
    stored.text = "not a token";
    ck_assert(token_source_get(source, 0, &err) == NULL);
    ck_assert(strstr(err.message, "the secret X") != NULL);
    // A failure is not remembered.
    stored.text = "one";
    ck_assert(is(token_source_get(source, 0, &err), "one"));
}
END_TEST

START_TEST(keeps_the_old_token_where_a_newer_one_cannot_be_had) {
    struct stored stored = {.text = "one"};
    cleanup_token_source struct token_source *source =
        token_source_new(read_stored, &stored, "the secret X");
    cleanup_secret struct secret *one = token_source_get(source, 0, &err);
    stored.text = NULL;
    ck_assert(token_source_refresh(source, one, 0, &err) == NULL);
    ck_assert(is(token_source_get(source, 0, &err), "one"));
}
END_TEST

START_TEST(takes_the_token_of_the_environment) {
    cleanup_secret struct secret *token = secret_new(SLICE("glrt-local"));
    const struct token_place place = {.token = token};
    cleanup_token_source struct token_source *source = token_source_at(&place);
    ck_assert(is(token_source_get(source, 0, &err), "glrt-local"));
}
END_TEST

START_TEST(shortens_a_token_as_the_runner_does) {
    static const struct {
        const char *token;
        const char *form;
    } cases[] = {
        {"glrt-abcdefghijklmnopqrst", "abcdefghi"},
        {"glrt-t1_abcdefghijklmnopqrst", "abcdefghi"},
        {"glrt-t3_ab_-efghijklmnopqrst.01.120abcd", "ab_-efghi"},
        {"glrt-t4_abcdefghijklmnopqrst", "t4_abcdef"},
        {"glrtr-abcdefghijklmnopqrst", "abcdefghi"},
        {"GR1348941abcdefghijklmnopqrst", "abcdefghi"},
        {"GRxyzabcdefghijklmnopqrst", "GRxyzabcd"},
        {"abcdefghijklmnopqrst", "abcdefghi"},
        // Much of it would be told, or it would be no plain word.
        {"glrt-abcdefghijklmnopqrs", ""},
        {"glrt-", ""},
        {"", ""},
        {"glrt-ab\"defghijklmnopqrst", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct slice form = runner_token_short_form(slice_text(cases[i].token));
        ck_assert_msg(slice_equal_text(form, cases[i].form), "%s: %" SLICE_FORMAT, cases[i].token,
                      SLICE_ARGUMENTS(form));
    }
}
END_TEST

int main(void) {
    json_initialise();
    Suite *suite = suite_create("token");
    TCase *tcase = tcase_create("token");
    tcase_add_test(tcase, shortens_a_token_as_the_runner_does);
    tcase_add_test(tcase, takes_the_token_as_text_or_in_json);
    tcase_add_test(tcase, refuses_what_cannot_be_a_token_and_does_not_show_it);
    tcase_add_test(tcase, reads_the_token_once);
    tcase_add_test(tcase, reads_it_again_where_it_was_refused);
    tcase_add_test(tcase, says_where_the_token_could_not_be_read);
    tcase_add_test(tcase, keeps_the_old_token_where_a_newer_one_cannot_be_had);
    tcase_add_test(tcase, takes_the_token_of_the_environment);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
