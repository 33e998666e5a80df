// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/attributes.h"
#include "common/system/files.h"

static struct error err;
static char *folder;

static void make_folder(void) {
    const char *tmp = getenv("TMPDIR");
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    folder = xasprintf("%s/test-attributes-%s", tmp ? tmp : "/tmp", name);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
}

static void remove_folder(void) {
    ck_assert_msg(files_remove_tree(folder, 0, &err), "%s", err.message);
    free(folder);
}

static int open_folder(void) {
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/// An ACL that lets everybody in. False where the file system has no ACLs.
static bool set_acl(const char *path, const char *kind) {
    struct {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[5];
    } acl = {
        .header = {POSIX_ACL_XATTR_VERSION},
        .entries =
            {
                {ACL_USER_OBJ, 7, (unsigned)ACL_UNDEFINED_ID},
                {ACL_USER, 7, 12345},
                {ACL_GROUP_OBJ, 7, (unsigned)ACL_UNDEFINED_ID},
                {ACL_MASK, 7, (unsigned)ACL_UNDEFINED_ID},
                {ACL_OTHER, 7, (unsigned)ACL_UNDEFINED_ID},
            },
    };
    const bool set = setxattr(path, kind, &acl, sizeof(acl), 0) == 0;
    ck_assert(set || errno == EOPNOTSUPP);
    return set;
}

START_TEST(removes_acls) {
    const bool set = set_acl(folder, "system.posix_acl_default");
    ck_assert_int_eq(set_acl(folder, "system.posix_acl_access"), set);

    ck_assert_msg(attributes_reset_folder(folder, &err), "%s", err.message);

    char buffer[256];
    ck_assert_int_eq(getxattr(folder, "system.posix_acl_default", buffer, sizeof(buffer)), -1);
    ck_assert_int_eq(getxattr(folder, "system.posix_acl_access", buffer, sizeof(buffer)), -1);
    cleanup_free char *inner = xasprintf("%s/inner", folder);
    struct stat status;
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    ck_assert_int_eq(stat(inner, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0700);
}
END_TEST

START_TEST(removes_extended_attributes) {
    char name[32];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "user.%d", i);
        ck_assert(setxattr(folder, name, "a secret", 8, 0) == 0 || errno == EOPNOTSUPP);
    }
    ck_assert_msg(attributes_reset_folder(folder, &err), "%s", err.message);

    char names[1024];
    const ssize_t length = listxattr(folder, names, sizeof(names));
    for (const char *at = names; at < names + length; at += strlen(at) + 1) {
        ck_assert_msg(strncmp(at, "user.", 5) != 0, "%s", at);
    }
}
END_TEST

START_TEST(clears_flags) {
    cleanup_close int fd = open_folder();
    unsigned before = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &before) != 0) {
        return; // This file system has none.
    }
    for (unsigned flag = 1; flag != 0; flag <<= 1) {
        // Of root's own two it is not the owner who sets them; others are the file system's.
        unsigned flags = before | flag;
        if (flag != FS_IMMUTABLE_FL && flag != FS_APPEND_FL && flag != FS_JOURNAL_DATA_FL &&
            ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) {
            ck_assert_int_eq(ioctl(fd, FS_IOC_GETFLAGS, &before), 0);
        }
    }

    ck_assert_msg(attributes_reset_folder(folder, &err), "%s", err.message);

    unsigned after = 0;
    ck_assert_int_eq(ioctl(fd, FS_IOC_GETFLAGS, &after), 0);
    ck_assert_uint_ne(before & FS_NODUMP_FL, 0);
    ck_assert_uint_eq(after & ~(unsigned)(FS_EXTENT_FL | FS_INDEX_FL), 0);
}
END_TEST

START_TEST(resets_mode_and_times) {
    const struct timespec times[] = {{.tv_sec = 12345}, {.tv_sec = 67890}};
    ck_assert_int_eq(utimensat(AT_FDCWD, folder, times, 0), 0);
    ck_assert_int_eq(chmod(folder, 07070), 0);

    ck_assert_msg(attributes_reset_folder(folder, &err), "%s", err.message);

    struct stat status;
    ck_assert_int_eq(stat(folder, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0700);
    ck_assert_int_gt(status.st_mtime, 67890);
    ck_assert_int_gt(status.st_atime, 67890);
}
END_TEST

START_TEST(leaves_what_is_not_ours) {
    if (geteuid() != 0) {
        return;
    }
    ck_assert_int_eq(chown(folder, 12345, 12345), 0);
    ck_assert_int_eq(chmod(folder, 01777), 0);
    ck_assert_msg(attributes_reset_folder(folder, &err), "%s", err.message);
    struct stat status;
    ck_assert_int_eq(stat(folder, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 01777);
}
END_TEST

START_TEST(says_that_there_is_no_folder) {
    cleanup_free char *missing = xasprintf("%s/missing", folder);
    ck_assert(!attributes_reset_folder(missing, &err));
    ck_assert_int_eq(err.errnum, ENOENT);
    cleanup_free char *link = xasprintf("%s/link", folder);
    ck_assert_int_eq(symlink("/", link), 0);
    ck_assert(!attributes_reset_folder(link, &err));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("attributes");
    TCase *tests = tcase_create("attributes");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, removes_acls);
    tcase_add_test(tests, removes_extended_attributes);
    tcase_add_test(tests, clears_flags);
    tcase_add_test(tests, resets_mode_and_times);
    tcase_add_test(tests, leaves_what_is_not_ours);
    tcase_add_test(tests, says_that_there_is_no_folder);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
