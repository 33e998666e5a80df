// SPDX-License-Identifier: Apache-2.0
/// Removal of trees, without recursion and with a fixed number of descriptors.
///
/// A folder inside the one to be emptied (the top) loses its plain entries; its own folders are
/// moved up to the top, under random names, where their turn comes. So nothing is ever deeper than
/// two levels, no path grows, and every step is relative to an open descriptor: a link put in the
/// place of a folder is removed as the link it is.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/encoding.h"
#include "common/system/files.h"

struct removal {
    int top;
    dev_t device;
    /// For messages.
    const char *path;
    int64_t end_ms;
    struct error *err;
};

static bool fail(const struct removal *removal, int errnum, const char *name) {
    cleanup_buffer struct buffer text = BUFFER_INIT(4 * NAME_MAX);
    (void)encoding_append_printable(&text, slice_text(name)); // Others chose it.
    return error_errno(removal->err, errnum, "cannot remove %s/%s", removal->path,
                       buffer_text(&text));
}

static bool in_time(const struct removal *removal) {
    if (removal->end_ms == 0 || clock_monotonic_ms(clock_system()) < removal->end_ms) {
        return true;
    }
    return error_set(removal->err, "timeout",
                     "cannot empty %s: its content still grows or is too much for the time",
                     removal->path);
}

/// Gives us all rights to the folder behind an O_PATH descriptor. fchmod refuses such descriptors,
/// and a chmod by name could be led astray by a link, so it goes by /proc.
static bool make_accessible(int path_fd) {
    char link[64];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
    return chmod(link, 0700) == 0;
}

/// Opens a folder for reading, and makes it accessible first if it is not. -1 with errno on
/// failure; ENOTDIR or ELOOP where it is none (any more).
static int open_folder(int parent, const char *name) {
    cleanup_close int path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (path_fd < 0 || fstat(path_fd, &status) != 0) {
        return -1;
    }
    const mode_t needed = S_IRUSR | S_IWUSR | S_IXUSR;
    if ((status.st_mode & needed) != needed && !make_accessible(path_fd)) {
        return -1;
    }
    return openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/// A stream over a descriptor of its own, at the beginning.
static DIR *list(int fd) {
    const int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    if (!stream && own >= 0) {
        (void)close(own);
    }
    return stream;
}

/// The next entry but "." and ".."; NULL at the end or, with errno set, on failure.
static const struct dirent *next_entry(DIR *stream) {
    const struct dirent *entry = NULL;
    do {
        errno = 0;
        entry = readdir(stream);
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

/// Moves a folder within `parent` up to the top.
static bool move_up(const struct removal *removal, int parent, const char *name) {
    char fresh[FILES_RANDOM_NAME_SIZE];
    files_random_name(fresh);
    if (renameat(parent, name, removal->top, fresh) == 0 || errno == ENOENT) {
        return true;
    }
    // A folder that we may not write cannot be moved, as its ".." changes.
    const int reason = errno;
    cleanup_close int folder = open_folder(parent, name);
    if (folder >= 0 && renameat(parent, name, removal->top, fresh) == 0) {
        return true;
    }
    return fail(removal, reason, name);
}

/// Removes what is no folder. True also if it is gone meanwhile; `*is_folder` says that it is one.
static bool unlink_entry(const struct removal *removal, int parent, const char *name,
                         bool *is_folder) {
    *is_folder = false;
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return true;
    }
    const int reason = errno;
    struct stat status;
    if ((reason == EISDIR || reason == EPERM || reason == EACCES || reason == EBUSY) &&
        fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) {
        *is_folder = true;
        return true;
    }
    return fail(removal, reason, name);
}

/// Empties a folder that lies in the top: unlinks, and moves its folders up.
static bool flatten(const struct removal *removal, int folder) {
    cleanup_closedir DIR *stream = list(folder);
    if (!stream) {
        return fail(removal, errno, "");
    }
    const struct dirent *entry = NULL;
    while ((entry = next_entry(stream))) {
        bool is_folder = false;
        if (!in_time(removal) || !unlink_entry(removal, folder, entry->d_name, &is_folder) ||
            (is_folder && !move_up(removal, folder, entry->d_name))) {
            return false;
        }
    }
    return errno == 0 || fail(removal, errno, "");
}

/// Removes a folder that lies in the top. Where somebody writes to it at the same time it may stay,
/// for the next pass.
static bool remove_folder(const struct removal *removal, const char *name) {
    cleanup_close int folder = open_folder(removal->top, name);
    if (folder < 0) {
        const bool changed = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        return changed || fail(removal, errno, name);
    }
    struct stat status;
    if (fstat(folder, &status) != 0) {
        return fail(removal, errno, name);
    }
    if (status.st_dev != removal->device) {
        return fail(removal, EXDEV, name);
    }
    if (!flatten(removal, folder)) {
        return false;
    }
    if (unlinkat(removal->top, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTEMPTY ||
        errno == EEXIST || errno == ENOTDIR) {
        return true;
    }
    return fail(removal, errno, name);
}

/// Goes once through the top; `*seen` is the number of entries that were there.
static bool pass(const struct removal *removal, const char *keep, size_t *seen) {
    cleanup_closedir DIR *stream = list(removal->top);
    if (!stream) {
        return fail(removal, errno, "");
    }
    *seen = 0;
    const struct dirent *entry = NULL;
    while ((entry = next_entry(stream))) {
        if (keep && strcmp(entry->d_name, keep) == 0) {
            continue;
        }
        (*seen)++;
        bool is_folder = false;
        if (!in_time(removal) || !unlink_entry(removal, removal->top, entry->d_name, &is_folder) ||
            (is_folder && !remove_folder(removal, entry->d_name))) {
            return false;
        }
    }
    return errno == 0 || fail(removal, errno, "");
}

/// Empties the folder behind `top`. Adding to a folder while it is read may or may not show what
/// was added, so it ends when a pass saw nothing.
static bool empty(int top, const char *path, const char *keep, int64_t limit_ms,
                  struct error *err) {
    struct stat status;
    if (fstat(top, &status) != 0) {
        return error_errno(err, errno, "cannot empty %s", path);
    }
    const struct removal removal = {
        .top = top,
        .device = status.st_dev,
        .path = path,
        .end_ms = limit_ms > 0 ? clock_monotonic_ms(clock_system()) + limit_ms : 0,
        .err = err,
    };
    size_t seen = 0;
    do {
        if (!pass(&removal, keep, &seen)) {
            return false;
        }
    } while (seen > 0);
    return true;
}

bool files_empty_directory(const char *path, const char *keep, int64_t limit_ms,
                           struct error *err) {
    cleanup_close int top = open_folder(AT_FDCWD, path);
    if (top < 0) {
        return error_errno(err, errno, "cannot empty %s", path);
    }
    return empty(top, path, keep, limit_ms, err);
}

bool files_remove_tree(const char *path, int64_t limit_ms, struct error *err) {
    if (unlink(path) == 0 || errno == ENOENT) {
        return true;
    }
    const int reason = errno;
    cleanup_close int top = open_folder(AT_FDCWD, path);
    if (top < 0) {
        return error_errno(err, errno == ENOTDIR ? reason : errno, "cannot remove %s", path);
    }
    if (!empty(top, path, NULL, limit_ms, err)) {
        return false;
    }
    if (rmdir(path) != 0 && errno != ENOENT) {
        return error_errno(err, errno, "cannot remove %s", path);
    }
    return true;
}
