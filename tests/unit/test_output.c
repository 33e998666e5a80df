// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "layer-packer/output.h"

static struct error err;
static char *folder;
static char *path;

static void set_up(void) {
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    folder = xasprintf("/tmp/test-output-%s", name);
    path = xasprintf("%s/file", folder);
    ck_assert(files_make_directories(folder, 0700, &err));
}

static void tear_down(void) {
    ck_assert(files_remove_tree(folder, 0, &err));
    free(folder);
    free(path);
}

START_TEST(is_not_there_until_it_is_kept) {
    cleanup_output struct output output = {.fd = -1};
    const mode_t before = umask(027);
    ck_assert_msg(output_open(path, &output, &err), "%s", err.message);
    ck_assert(files_write_fd(output.fd, path, SLICE("new"), &err));
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_msg(output_keep(&output, &err), "%s", err.message);
    (void)umask(before);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
    ck_assert_int_eq(status.st_size, 3);
}
END_TEST

START_TEST(replaces_what_was_there) {
    cleanup_output struct output output = {.fd = -1};
    cleanup_buffer struct buffer content = BUFFER_INIT(100);
    ck_assert(files_write_atomically(path, SLICE("old"), 0600, &err));
    ck_assert(output_open(path, &output, &err));
    ck_assert(files_write_fd(output.fd, path, SLICE("newer"), &err));
    ck_assert(output_keep(&output, &err));
    ck_assert(files_read(path, &content, &err));
    ck_assert_str_eq(buffer_text(&content), "newer");
}
END_TEST

START_TEST(leaves_nothing_where_it_is_not_kept) {
    struct output output = {.fd = -1};
    ck_assert(output_open(path, &output, &err));
    ck_assert(files_write_fd(output.fd, path, SLICE("half"), &err));
    output_clean_up(&output);
    // Only an empty folder can be removed.
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(says_where_it_cannot_write) {
    cleanup_output struct output output = {.fd = -1};
    ck_assert(!output_open("/nonexistent-folder/file", &output, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent-folder/file"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("output");
    TCase *tcase = tcase_create("output");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, is_not_there_until_it_is_kept);
    tcase_add_test(tcase, replaces_what_was_there);
    tcase_add_test(tcase, leaves_nothing_where_it_is_not_kept);
    tcase_add_test(tcase, says_where_it_cannot_write);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
