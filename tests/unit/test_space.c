// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootstrap/workspace/space.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/system/files.h"

static struct error err;
/// What stands for the runner's TMPDIR.
static char *folder;

static void make_folder(void) {
    const char *base = getenv("TMPDIR");
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    folder = xasprintf("%s/test-space-%s", base ? base : "/tmp", name);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
}

static void remove_folder(void) {
    files_remove_tree(folder, 0, &err);
    free(folder);
}

static char *write_text(const char *name) {
    char *path = xasprintf("%s/%s", folder, name);
    ck_assert_msg(files_write_atomically(path, SLICE("text"), 0600, &err), "%s", err.message);
    return path;
}

static long long reserved_bytes(const char *path) {
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_int_le(status.st_size, 4096);
    return (long long)status.st_blocks * 512;
}

START_TEST(knows_a_full_file_system_by_bytes_or_by_files) {
    static const struct {
        fsblkcnt_t free_blocks;
        fsfilcnt_t files;
        fsfilcnt_t free_files;
        enum space_state expected;
    } cases[] = {
        {100, 1000, 10, SPACE_LEFT},
        {0, 1000, 10, SPACE_NO_BYTES},
        {15, 1000, 10, SPACE_NO_BYTES},
        {16, 1000, 10, SPACE_LEFT},
        {100, 1000, 0, SPACE_NO_FILES},
        {0, 1000, 0, SPACE_NO_BYTES},
        // No fixed number of files.
        {100, 0, 0, SPACE_LEFT},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct statvfs numbers = {
            .f_frsize = 4096,
            .f_blocks = 1000,
            .f_bfree = 100,
            .f_bavail = cases[i].free_blocks,
            .f_files = cases[i].files,
            .f_favail = cases[i].free_files,
        };
        ck_assert_msg(space_judge(&numbers) == cases[i].expected, "case %zu", i);
    }
}
END_TEST

START_TEST(reserves_room_for_the_trace_once) {
    struct space space = {.root = folder, .runner_tmp = folder, .trace_bytes = 4 << 20};
    cleanup_free char *other = write_text("other");
    space_look(&space, 1);
    ck_assert(!space.reserved);

    cleanup_free char *trace = write_text("trace123456789");
    space_look(&space, 2);
    ck_assert(space.reserved);
    ck_assert_int_ge(reserved_bytes(trace), 4 << 20);
    ck_assert_int_lt(reserved_bytes(other), 1 << 20);

    cleanup_free char *later = write_text("trace-of-the-job");
    space_look(&space, 3);
    ck_assert_int_lt(reserved_bytes(later), 1 << 20);
}
END_TEST

START_TEST(follows_no_link_and_waits_for_no_fifo) {
    cleanup_free char *target = write_text("target");
    cleanup_free char *link = xasprintf("%s/trace-link", folder);
    cleanup_free char *fifo = xasprintf("%s/trace-fifo", folder);
    ck_assert_int_eq(symlink(target, link), 0);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    struct space space = {.root = folder, .runner_tmp = folder};

    for (int64_t now_ms = 1; now_ms < 1000; now_ms++) {
        space_look(&space, now_ms);
    }

    ck_assert(!space.reserved);
    ck_assert_int_lt(reserved_bytes(target), 1 << 20);
    ck_assert_uint_lt(space.tries, 100);
}
END_TEST

START_TEST(names_the_size_and_what_to_set) {
    const struct space space = {.root = "/tmp", .size_mb = 2048, .state = SPACE_NO_FILES};
    cleanup_free char *line = space_line(&space);
    ck_assert_ptr_nonnull(strstr(line, "/tmp, of 2048 MB, ran full of files. "));
    ck_assert_ptr_nonnull(strstr(line, "ephemeral_storage_size"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("space");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, knows_a_full_file_system_by_bytes_or_by_files);
    tcase_add_test(tests, reserves_room_for_the_trace_once);
    tcase_add_test(tests, follows_no_link_and_waits_for_no_fifo);
    tcase_add_test(tests, names_the_size_and_what_to_set);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
