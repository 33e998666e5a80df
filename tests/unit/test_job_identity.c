// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "bootstrap/credentials/session_tags.h"
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

static const char *tag(const struct session_tags *tags, const char *key) {
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
    cleanup_session_tags struct session_tags tags = {0};
    session_tags_add_identity(&tags, &identity);
    static const char *const expected[][2] = {
        {"runlet:project_id", "7"},   {"runlet:project_path", "group/app"},
        {"runlet:ref", "main"},       {"runlet:ref_type", "branch"},
        {"runlet:protected", "true"}, {"runlet:job_id", "41"},
        {"runlet:pipeline_id", "5"},  {"runlet:user_id", "3"},
    };
    const size_t count = sizeof(expected) / sizeof(expected[0]);
    ck_assert_uint_eq(tags.count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(tag(&tags, expected[i][0]), expected[i][1]);
        ck_assert_str_eq(tags.keys[i], tags.tags[i].key);
    }
    cleanup_free char *name = session_name_of(&identity);
    cleanup_free char *source = source_identity_of(&identity);
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
        cleanup_session_tags struct session_tags tags = {0};
        session_tags_add_identity(&tags, &identity);
        ck_assert_uint_eq(tags.count, 3);
        ck_assert_str_eq(tag(&tags, "runlet:protected"), "false");
        ck_assert_str_eq(tag(&tags, "runlet:project_id"), "7");
        ck_assert_str_eq(tag(&tags, "runlet:job_id"), "41");
        job_identity_clean_up(&identity);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("job_identity");
    TCase *tests = tcase_create("job_identity");
    tcase_add_test(tests, takes_gitlabs_word_and_no_variable);
    tcase_add_test(tests, guesses_nothing_that_is_not_sent);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
