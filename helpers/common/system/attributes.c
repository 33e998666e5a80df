// SPDX-License-Identifier: Apache-2.0
#include "common/system/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"

/// What the kernel lists at most: xattr(7).
static const size_t MOST_NAMES = 65536;

/// Those that need no privilege. A folder hands most of them on to what is made in it.
static const unsigned OWNERS_FLAGS = FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL |
                                     FS_NODUMP_FL | FS_NOATIME_FL | FS_NOCOMP_FL | FS_NOTAIL_FL |
                                     FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_EOFBLOCKS_FL | FS_NOCOW_FL |
                                     FS_DAX_FL | FS_PROJINHERIT_FL | FS_CASEFOLD_FL;

// --- Extended attributes -------------------------------------------------------------------------

static bool is_owners(const char *attribute) {
    static const char of_users[] = "user.";
    return strncmp(attribute, of_users, strlen(of_users)) == 0 ||
           strcmp(attribute, "system.posix_acl_access") == 0 ||
           strcmp(attribute, "system.posix_acl_default") == 0;
}

/// Others chose what follows "user.", so no name is told.
static bool remove_attributes(int fd, const char *name, struct error *err) {
    ssize_t length = flistxattr(fd, NULL, 0);
    if (length == 0 || (length < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))) {
        return true;
    }
    cleanup_free char *names = xcalloc(1, MOST_NAMES);
    length = flistxattr(fd, names, MOST_NAMES);
    if (length < 0) {
        return error_errno(err, errno, "cannot list the extended attributes of %s", name);
    }
    for (const char *at = names; at < names + length; at += strlen(at) + 1) {
        if (is_owners(at) && fremovexattr(fd, at) != 0 && errno != ENODATA) {
            return error_errno(err, errno, "cannot remove an extended attribute of %s", name);
        }
    }
    return true;
}

// --- Flags ---------------------------------------------------------------------------------------

/// The two libcs disagree on the type of ioctl()'s second argument.
static bool control(int fd, unsigned long request, void *argument) {
    return syscall(SYS_ioctl, fd, request, argument) == 0;
}

/// The project that its quota counts for. Where it cannot be changed nobody did.
static void reset_project(int fd) {
    struct fsxattr status;
    if (control(fd, FS_IOC_FSGETXATTR, &status) && status.fsx_projid != 0) {
        status.fsx_projid = 0;
        (void)control(fd, FS_IOC_FSSETXATTR, &status);
    }
}

static bool clear_flags(int fd, const char *name, struct error *err) {
    unsigned flags = 0;
    if (!control(fd, FS_IOC_GETFLAGS, &flags) || (flags & OWNERS_FLAGS) == 0) {
        return true; // A file system without flags says so in several ways.
    }
    flags &= ~OWNERS_FLAGS;
    if (!control(fd, FS_IOC_SETFLAGS, &flags)) {
        return error_errno(err, errno, "cannot clear the flags of %s", name);
    }
    return (control(fd, FS_IOC_GETFLAGS, &flags) && (flags & OWNERS_FLAGS) == 0) ||
           error_set(err, "flags", "the flags of %s stay: 0x%x", name, flags & OWNERS_FLAGS);
}

// --- All -----------------------------------------------------------------------------------------

bool attributes_reset(int fd, const char *name, struct error *err) {
    if (!remove_attributes(fd, name, err) || !clear_flags(fd, name, err)) {
        return false;
    }
    reset_project(fd);
    return futimens(fd, NULL) == 0 || error_errno(err, errno, "cannot set the times of %s", name);
}

bool attributes_reset_folder(const char *path, struct error *err) {
    cleanup_close int path_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (path_fd < 0 || fstat(path_fd, &status) != 0) {
        return error_errno(err, errno, "cannot look at %s", path);
    }
    if (status.st_uid != geteuid()) {
        return true;
    }
    char link[64];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
    if (chmod(link, 0700) != 0) {
        return error_errno(err, errno, "cannot set the mode of %s", path);
    }
    cleanup_close int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "cannot open %s", path)
                  : attributes_reset(fd, path, err);
}
