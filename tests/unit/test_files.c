// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/files.h"

static struct error err;
static char root[] = "/tmp/test_files.XXXXXX";

static void make_root(void) {
    memcpy(strrchr(root, '.'), ".XXXXXX", 7);
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chmod(root, 0755), 0);
    ck_assert_int_eq(chdir(root), 0);
}

static void remove_root(void) {
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_msg(files_remove_tree(root, 0, &err), "%s", err.message);
}

static void put(const char *path) {
    ck_assert_msg(files_write_atomically(path, SLICE("x"), 0644, &err), "%s", err.message);
}

/// Drops root's rights, which open everything, for the tests of modes. Only in forked tests.
static void become_nobody(void) {
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(root, 65534, 65534), 0);
        ck_assert_int_eq(setgid(65534), 0);
        ck_assert_int_eq(setuid(65534), 0);
    }
}

static size_t count_entries(const char *path) {
    cleanup_closedir DIR *stream = opendir(path);
    ck_assert_ptr_nonnull(stream);
    size_t count = 0;
    while (readdir(stream) != NULL) {
        count++;
    }
    return count - 2;
}

START_TEST(writes_atomically_with_the_mode_asked_for) {
    const mode_t old = umask(077);
    ck_assert(files_write_atomically("a", SLICE("one"), 0644, &err));
    ck_assert(files_write_atomically("a", SLICE("two\0three"), 0640, &err));
    umask(old);
    struct stat status;
    ck_assert_int_eq(stat("a", &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0640);
    cleanup_buffer struct buffer text = BUFFER_INIT(9);
    ck_assert_msg(files_read("a", &text, &err), "%s", err.message);
    ck_assert(slice_equal(buffer_slice(&text), SLICE("two\0three")));
    ck_assert_uint_eq(count_entries("."), 1);
    ck_assert(!files_write_atomically("no/such/folder", SLICE(""), 0644, &err));
    ck_assert_int_eq(err.errnum, ENOENT);
    ck_assert_int_eq(mkdir("folder", 0755), 0);
    ck_assert(!files_write_atomically("folder", SLICE(""), 0644, &err));
    ck_assert_uint_eq(count_entries("."), 2);
}
END_TEST

START_TEST(reads_no_more_than_the_maximum) {
    put("a");
    cleanup_buffer struct buffer none = BUFFER_INIT(0);
    ck_assert(!files_read("a", &none, &err));
    ck_assert_str_eq(err.code, "too_large");
    cleanup_buffer struct buffer one = BUFFER_INIT(1);
    ck_assert(files_read("a", &one, &err));
    ck_assert(!files_read("missing", &one, &err));
    ck_assert_str_eq(err.code, "not_found");
    ck_assert(!files_read("a/below-a-file", &one, &err));
    ck_assert_str_eq(err.code, "not_found");
    ck_assert(!files_read(".", &one, &err));
}
END_TEST

START_TEST(makes_folders_with_their_parents) {
    ck_assert(files_make_directories("a/b//c/", 0755, &err));
    ck_assert(files_make_directories("a/b/c", 0755, &err));
    ck_assert(files_make_directories("/", 0755, &err));
    put("a/file");
    ck_assert(!files_make_directories("a/file", 0755, &err));
    ck_assert(!files_make_directories("a/file/x", 0755, &err));
}
END_TEST

START_TEST(renames_durably) {
    put("from");
    put("to");
    ck_assert(files_rename_durably("from", "to", &err));
    ck_assert_int_ne(access("from", F_OK), 0);
    ck_assert(!files_rename_durably("from", "to", &err));
}
END_TEST

START_TEST(empties_a_folder_of_everything) {
    ck_assert_int_eq(mkdir("top", 0755), 0);
    ck_assert(files_make_directories("top/a/b/c", 0755, &err));
    put("top/a/b/c/file");
    put("top/new\nline and \xff\xfe");
    put("top/-rf");
    put("top/ ");
    ck_assert_int_eq(mkfifo("top/a/fifo", 0), 0);
    ck_assert_int_eq(symlink("/", "top/a/root"), 0);
    ck_assert_int_eq(symlink("loop", "top/loop"), 0);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "top/a/socket"};
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    ck_assert_msg(files_empty_directory("top", NULL, 0, &err), "%s", err.message);
    ck_assert_uint_eq(count_entries("top"), 0);
}
END_TEST

START_TEST(follows_no_link_out) {
    ck_assert(files_make_directories("outside/deep", 0755, &err));
    put("outside/deep/precious");
    ck_assert_int_eq(chmod("outside/deep", 0500), 0);
    ck_assert(files_make_directories("top/a/b", 0755, &err));
    cleanup_free char *target = xasprintf("%s/outside", root);
    ck_assert_int_eq(symlink(target, "top/link"), 0);
    ck_assert_int_eq(symlink(target, "top/a/link"), 0);
    ck_assert_int_eq(symlink("../../../outside/deep", "top/a/b/link"), 0);
    ck_assert_int_eq(link("outside/deep/precious", "top/a/hard"), 0);
    ck_assert(files_empty_directory("top", NULL, 0, &err));
    ck_assert_int_eq(access("outside/deep/precious", F_OK), 0);
    struct stat status;
    ck_assert_int_eq(stat("outside/deep", &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0500);
    // Nor where the folder itself is a link.
    ck_assert_int_eq(symlink("outside", "top/again"), 0);
    ck_assert(!files_empty_directory("top/again", NULL, 0, &err));
    ck_assert(files_remove_tree("top/again", 0, &err));
    ck_assert_int_eq(access("outside/deep/precious", F_OK), 0);
}
END_TEST

START_TEST(keeps_what_it_is_told_to) {
    ck_assert(files_make_directories("top/keep/sub", 0755, &err));
    ck_assert(files_make_directories("top/other/keep", 0755, &err));
    put("top/keep/file");
    ck_assert(files_empty_directory("top", "keep", 0, &err));
    ck_assert_uint_eq(count_entries("top"), 1);
    ck_assert_uint_eq(count_entries("top/keep"), 2);
}
END_TEST

START_TEST(opens_up_read_only_trees) {
    become_nobody();
    // As the bootstrap is: what /proc shows of it then belongs to root.
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 0), 0);
    ck_assert(files_make_directories("top/a/b/c", 0755, &err));
    put("top/a/b/c/file");
    put("top/a/b/file");
    ck_assert_int_eq(chmod("top/a/b/c/file", 0), 0);
    ck_assert_int_eq(chmod("top/a/b/c", 0), 0);
    ck_assert_int_eq(chmod("top/a/b", 0555), 0);
    ck_assert_int_eq(chmod("top/a", 0111), 0);
    ck_assert_int_eq(chmod("top", 0500), 0);
    ck_assert_msg(files_empty_directory("top", NULL, 0, &err), "%s", err.message);
    ck_assert_uint_eq(count_entries("top"), 0);
}
END_TEST

/// An ACL that lets its owner do nothing, and a stranger all.
static void set_acl(const char *path, const char *kind) {
    static const unsigned char acl[] = {
        2,    0, 0, 0,                         // version 2; little-endian numbers
        1,    0, 0, 0, 0xff, 0xff, 0xff, 0xff, // the owner
        2,    0, 7, 0, 0x39, 0x30, 0,    0,    // uid 12345
        4,    0, 0, 0, 0xff, 0xff, 0xff, 0xff, // the group
        0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, // the mask
        0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // others
    };
    ck_assert(setxattr(path, kind, acl, sizeof(acl), 0) == 0 || errno == EOPNOTSUPP);
}

START_TEST(removes_what_carries_acls_flags_and_attributes) {
    become_nobody();
    ck_assert(files_make_directories("laden/a/b/c", 0755, &err));
    put("laden/a/b/file");
    cleanup_close int fd = open("laden/a/b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int flags = FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL;
    (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
    static const char *const paths[] = {"laden/a/b/file", "laden/a/b/c", "laden/a/b", "laden/a",
                                        "laden"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ck_assert(setxattr(paths[i], "user.a", "b", 1, 0) == 0 || errno == EOPNOTSUPP);
        if (i > 0) {
            ck_assert_int_eq(chmod(paths[i], 07000), 0);
            set_acl(paths[i], "system.posix_acl_default");
        }
        set_acl(paths[i], "system.posix_acl_access");
    }
    ck_assert_msg(files_empty_directory("laden", NULL, 0, &err), "%s", err.message);
    ck_assert_uint_eq(count_entries("laden"), 0);
}
END_TEST

START_TEST(says_what_cannot_be_removed) {
    if (geteuid() != 0) {
        return;
    }
    ck_assert(files_make_directories("top/hers", 0755, &err));
    put("top/hers/odd\nname");
    ck_assert_int_eq(chmod("top", 0777), 0);
    become_nobody();
    ck_assert(!files_empty_directory("top", NULL, 0, &err));
    ck_assert_int_eq(err.errnum, EACCES);
    ck_assert_str_eq(err.message, "cannot remove top/odd\\x0aname: Permission denied");
}
END_TEST

START_TEST(removes_trees_deeper_than_any_path_with_few_descriptors) {
    struct rlimit limit = {.rlim_cur = 16, .rlim_max = 16};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(mkdir("deep", 0755), 0);
    cleanup_close int fd = open("deep", O_RDONLY | O_DIRECTORY);
    for (int depth = 0; depth < 3000; depth++) {
        static const char name[] = "a-folder-name-of-some-length";
        ck_assert_int_eq(mkdirat(fd, name, 0755), 0);
        const int next = openat(fd, name, O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(next, 0);
        close(fd);
        fd = next;
    }
    close(steal_fd(&fd));
    ck_assert_msg(files_remove_tree("deep", 0, &err), "%s", err.message);
    ck_assert_int_ne(access("deep", F_OK), 0);
    ck_assert(files_remove_tree("deep", 0, &err)); // Not there: no failure.
}
END_TEST

START_TEST(removes_20000_files) {
    ck_assert_int_eq(mkdir("top", 0755), 0);
    ck_assert_int_eq(mkdir("top/sub", 0755), 0);
    for (int i = 0; i < 20000; i++) {
        cleanup_free char *name = xasprintf("top/%s%d", i % 2 ? "sub/" : "", i);
        const int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
        ck_assert_int_ge(fd, 0);
        close(fd);
    }
    ck_assert_msg(files_empty_directory("top", NULL, 0, &err), "%s", err.message);
    ck_assert_uint_eq(count_entries("top"), 0);
}
END_TEST

START_TEST(gives_up_in_time_where_somebody_goes_on_writing) {
    ck_assert_int_eq(mkdir("top", 0777), 0);
    const pid_t writer = fork();
    if (writer == 0) {
        ck_assert_int_eq(chdir("top"), 0);
        for (unsigned i = 0;; i++) {
            cleanup_free char *name = xasprintf("d%u", i % 100);
            (void)mkdir(name, 0755);
        }
    }
    const int64_t begin = clock_monotonic_ms(clock_system());
    // Whether a quick enough pass finds the folder empty is up to the scheduler.
    if (!files_empty_directory("top", NULL, 300, &err)) {
        ck_assert_str_eq(err.code, "timeout");
    }
    ck_assert_int_lt(clock_monotonic_ms(clock_system()) - begin, 5000);
    ck_assert_int_eq(kill(writer, SIGKILL), 0);
}
END_TEST

START_TEST(makes_random_names) {
    char a[FILES_RANDOM_NAME_SIZE];
    char b[FILES_RANDOM_NAME_SIZE];
    files_random_name(a);
    files_random_name(b);
    ck_assert_uint_eq(strlen(a), 32);
    ck_assert_uint_eq(strspn(a, "0123456789abcdef"), 32);
    ck_assert_str_ne(a, b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("files");
    TCase *tcase = tcase_create("files");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, make_root, remove_root);
    tcase_add_test(tcase, writes_atomically_with_the_mode_asked_for);
    tcase_add_test(tcase, reads_no_more_than_the_maximum);
    tcase_add_test(tcase, makes_folders_with_their_parents);
    tcase_add_test(tcase, renames_durably);
    tcase_add_test(tcase, empties_a_folder_of_everything);
    tcase_add_test(tcase, follows_no_link_out);
    tcase_add_test(tcase, keeps_what_it_is_told_to);
    tcase_add_test(tcase, removes_20000_files);
    tcase_add_test(tcase, gives_up_in_time_where_somebody_goes_on_writing);
    tcase_add_test(tcase, makes_random_names);
    suite_add_tcase(suite, tcase);

    // These change the process for good, so their folder is removed by the one that forked them.
    TCase *changed = tcase_create("changed process");
    tcase_set_timeout(changed, 300);
    tcase_add_unchecked_fixture(changed, make_root, remove_root);
    tcase_add_test(changed, opens_up_read_only_trees);
    tcase_add_test(changed, says_what_cannot_be_removed);
    tcase_add_test(changed, removes_trees_deeper_than_any_path_with_few_descriptors);
    tcase_add_test(changed, removes_what_carries_acls_flags_and_attributes);
    suite_add_tcase(suite, changed);

    SRunner *runner = srunner_create(suite);
    // Always forked, as some tests give up rights.
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
