// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "bootstrap/credentials/session_tags.h"
#include "common/alloc.h"
#include "common/cleanup.h"

static struct error err;

/// What a value becomes as a tag.
static char *tag_value(const char *value) {
    cleanup_free char *ref = xstrdup(value);
    const struct job_identity identity = {.ref = ref};
    cleanup_session_tags struct session_tags tags = {0};
    session_tags_add_identity(&tags, &identity);
    ck_assert_str_eq(tags.tags[0].key, "runlet:ref");
    return xstrdup(tags.tags[0].value);
}

/// What comes out must be something that STS takes.
static void check_is_accepted(const char *value) {
    const struct sts_tag one = {.key = "runlet:ref", .value = value};
    const struct sts_assume assume = {
        .role_arn = "arn:aws:iam::123456789012:role/job",
        .session_name = "runlet-7-41",
        .tags = &one,
        .tag_count = 1,
    };
    ck_assert_msg(sts_check(&assume, &err), "%s: %s", value, err.message);
}

START_TEST(never_makes_one_tag_of_two_values) {
    char longest[257];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[256] = '\0';
    cleanup_free char *longer = xasprintf("%sb", longest);
    cleanup_free char *other = xasprintf("%sc", longest);
    cleanup_free char *hashed = tag_value("feature#1");
    const char *const values[] = {
        "main",
        "Main",
        "feature#1",
        "feature_1",
        "feature$1",
        "gr\xc3\xb6\xc3\x9f"
        "e",
        "gr\xf6\xdf"
        "e",
        "gr____e",
        longest,
        longer,
        other,
        hashed,
        "a:sha256:b",
        "tab\there",
        "50%",
    };
    enum { COUNT = sizeof(values) / sizeof(values[0]) };
    char *mapped[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        mapped[i] = tag_value(values[i]);
        check_is_accepted(mapped[i]);
        for (size_t j = 0; j < i; j++) {
            ck_assert_msg(strcmp(mapped[i], mapped[j]) != 0, "%s and %s", values[i], values[j]);
        }
    }
    ck_assert_str_eq(mapped[0], "main");
    ck_assert_str_eq(mapped[8], longest);
    ck_assert(strncmp(mapped[2], "feature:sha256:", 15) == 0);
    for (size_t i = 0; i < COUNT; i++) {
        free(mapped[i]);
    }
}
END_TEST

START_TEST(begins_as_the_value_does) {
    // A trust policy that takes "release_*" must not take what does not begin so.
    cleanup_free char *long_name = xasprintf("release_%0300d", 0);
    const char *const values[] = {"release!1", "release_1!",
                                  "gr\xc3\xb6\xc3\x9f"
                                  "e",
                                  "!", long_name};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        cleanup_free char *mapped = tag_value(values[i]);
        const char *mark = strstr(mapped, ":sha256:");
        ck_assert_ptr_nonnull(mark);
        ck_assert_msg(strncmp(mapped, values[i], (size_t)(mark - mapped)) == 0, "%s", mapped);
        ck_assert_uint_eq(strlen(mark), 8 + 64);
        ck_assert(mark - mapped <= 32);
    }
}
END_TEST

START_TEST(has_names_that_sts_takes_whatever_the_numbers) {
    struct job_identity identity = {
        .job_id = 9007199254740991, .project_id = 9007199254740991, .user_id = INT64_MAX};
    cleanup_free char *name = session_name_of(&identity);
    cleanup_free char *source = source_identity_of(&identity);
    const struct sts_assume assume = {
        .role_arn = "arn:aws:iam::123456789012:role/job",
        .session_name = name,
        .source_identity = source,
    };
    ck_assert_msg(sts_check(&assume, &err), "%s", err.message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session_tags");
    TCase *tests = tcase_create("session_tags");
    tcase_add_test(tests, never_makes_one_tag_of_two_values);
    tcase_add_test(tests, begins_as_the_value_does);
    tcase_add_test(tests, has_names_that_sts_takes_whatever_the_numbers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
