// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "bootstrap/gitlab/job_identity.h"
#include "common/alloc.h"
#include "common/cleanup.h"

static struct error err;

static struct job_identity identity_of(const char *text) {
    cleanup_json_document struct json_document document = {0};
    ck_assert_msg(json_parse(slice_text(text), "job", &document, &err), "%s", err.message);
    struct job_identity identity = {0};
    job_identity_read(&document.root, &identity);
    return identity;
}

static const char *tag(const struct job_tags *tags, const char *key) {
    for (size_t i = 0; i < tags->count; i++) {
        if (strcmp(tags->tags[i].key, key) == 0) {
            return tags->tags[i].value;
        }
    }
    return NULL;
}

#define FULL                                                                                       \
    "{\"id\":41,\"job_info\":{\"project_id\":7,\"project_full_path\":\"group/app\","               \
    "\"pipeline_id\":5,\"user_id\":3},\"git_info\":{\"ref\":\"main\",\"ref_type\":\"branch\","     \
    "\"protected\":true},\"variables\":["                                                          \
    "{\"key\":\"CI_PROJECT_PATH\",\"value\":\"group/victim\"},"                                    \
    "{\"key\":\"CI_PROJECT_ID\",\"value\":\"1\"},"                                                 \
    "{\"key\":\"CI_COMMIT_REF_PROTECTED\",\"value\":\"true\"}]}"

START_TEST(takes_gitlabs_word_and_no_variable) {
    struct job_identity identity = identity_of(FULL);
    cleanup_job_tags struct job_tags tags = {0};
    job_tags_of(&identity, &tags);
    static const char *const expected[][2] = {
        {"project_id", "7"},   {"project_path", "group/app"},
        {"ref", "main"},       {"ref_type", "branch"},
        {"protected", "true"}, {"job_id", "41"},
        {"pipeline_id", "5"},  {"user_id", "3"},
    };
    const size_t count = sizeof(expected) / sizeof(expected[0]);
    ck_assert_uint_eq(tags.count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(tag(&tags, expected[i][0]), expected[i][1]);
        ck_assert_str_eq(tags.keys[i], tags.tags[i].key);
    }
    cleanup_free char *name = job_identity_session_name(&identity);
    cleanup_free char *source = job_identity_source(&identity);
    ck_assert_str_eq(name, "runlet-7-41");
    ck_assert_str_eq(source, "project=7,job=41,user=3");
    job_identity_clean_up(&identity);
}
END_TEST

START_TEST(guesses_nothing_that_is_not_sent) {
    static const char *const answers[] = {
        "{\"id\":41,\"job_info\":{\"project_id\":7},\"git_info\":{\"ref\":\"\"},"
        "\"variables\":[{\"key\":\"CI_COMMIT_REF_PROTECTED\",\"value\":\"true\"},"
        "{\"key\":\"CI_PROJECT_PATH\",\"value\":\"group/victim\"}]}",
        "{\"id\":41,\"job_info\":{\"project_id\":7,\"project_full_path\":null,\"user_id\":\"3\"}}",
        "{\"id\":41,\"job_info\":{\"project_id\":7},\"git_info\":{\"protected\":\"true\"}}",
        "{\"id\":41,\"job_info\":{\"project_id\":7},\"git_info\":{\"protected\":1}}",
        "{\"id\":41,\"job_info\":{\"project_id\":7},\"git_info\":{\"protected\":false}}",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct job_identity identity = identity_of(answers[i]);
        cleanup_job_tags struct job_tags tags = {0};
        job_tags_of(&identity, &tags);
        ck_assert_uint_eq(tags.count, 3);
        ck_assert_str_eq(tag(&tags, "protected"), "false");
        ck_assert_str_eq(tag(&tags, "project_id"), "7");
        ck_assert_str_eq(tag(&tags, "job_id"), "41");
        job_identity_clean_up(&identity);
    }
}
END_TEST

/// What comes out must be something that STS takes.
static void check_is_accepted(const char *value) {
    const struct sts_tag one = {.key = "ref", .value = value};
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
    cleanup_free char *hashed = job_tag_value("feature#1");
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
        mapped[i] = job_tag_value(values[i]);
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
        cleanup_free char *mapped = job_tag_value(values[i]);
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
    cleanup_free char *name = job_identity_session_name(&identity);
    cleanup_free char *source = job_identity_source(&identity);
    const struct sts_assume assume = {
        .role_arn = "arn:aws:iam::123456789012:role/job",
        .session_name = name,
        .source_identity = source,
    };
    ck_assert_msg(sts_check(&assume, &err), "%s", err.message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("job_identity");
    TCase *tests = tcase_create("job_identity");
    tcase_add_test(tests, takes_gitlabs_word_and_no_variable);
    tcase_add_test(tests, guesses_nothing_that_is_not_sent);
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
