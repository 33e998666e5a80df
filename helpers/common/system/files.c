// SPDX-License-Identifier: Apache-2.0
/// Reading and writing of files; their removal is in files_remove.c.
#include "common/system/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"

void files_random_name(char name[FILES_RANDOM_NAME_SIZE]) {
    unsigned char bytes[(FILES_RANDOM_NAME_SIZE - 1) / 2];
    // Up to 256 bytes come whole and without failure, once the kernel's pool is ready.
    while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        (void)snprintf(name + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    }
}

bool files_make_directories(const char *path, mode_t mode, struct error *err) {
    cleanup_free char *prefix = xstrdup(path);
    // Every prefix that ends before a slash, and the whole.
    for (char *end = prefix + (*prefix == '/' ? 1 : 0); *prefix != '\0'; end++) {
        const char at = *end;
        if (at != '/' && at != '\0') {
            continue;
        }
        *end = '\0';
        if (mkdir(prefix, mode) != 0 && errno != EEXIST) {
            return error_errno(err, errno, "cannot make the folder %s", prefix);
        }
        if (at == '\0') {
            break;
        }
        *end = at;
    }
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_errno(err, errno, "cannot make the folder %s", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        return error_errno(err, ENOTDIR, "cannot make the folder %s", path);
    }
    return true;
}

bool files_read_fd(int fd, const char *name, struct buffer *out, struct error *err) {
    enum { STEP = 64 * 1024 };
    for (;;) {
        // Where little room is left, one byte more tells whether the file ends there.
        const size_t room = out->max > out->len ? out->max - out->len : 0;
        char beyond = 0;
        char *end = room > 0 ? buffer_reserve(out, room < STEP ? room : STEP) : &beyond;
        const size_t size = room > 0 ? (room < STEP ? room : STEP) : 1;
        const ssize_t count = read(fd, end, size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return error_errno(err, errno, "cannot read %s", name);
        }
        if (count == 0) {
            return true;
        }
        if (room == 0) {
            return error_set(err, "too_large", "cannot read %s: larger than %zu bytes", name,
                             out->max);
        }
        buffer_commit(out, (size_t)count);
    }
}

bool files_read(const char *path, struct buffer *out, struct error *err) {
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        const int reason = errno;
        error_errno(err, reason, "cannot read %s", path);
        const bool is_missing = reason == ENOENT || reason == ENOTDIR;
        return is_missing ? error_set(err, "not_found", "%s", err->message) : false;
    }
    return files_read_fd(fd, path, out, err);
}

bool files_write_fd(int fd, const char *name, struct slice content, struct error *err) {
    while (content.len > 0) {
        const ssize_t count = write(fd, content.data, content.len);
        if (count < 0 && errno != EINTR) {
            return error_errno(err, errno, "cannot write %s", name);
        }
        content = slice_skip(content, count > 0 ? (size_t)count : 0);
    }
    return true;
}

/// The folder that holds `path`, to be released with free().
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return xstrdup(".");
    }
    return slash == path ? xstrdup("/") : slice_copy(slice_make(path, (size_t)(slash - path)));
}

static bool sync_folder_of(const char *path, struct error *err) {
    cleanup_free char *folder = folder_of(path);
    cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Some file systems cannot sync a folder; they say EINVAL.
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) {
        return error_errno(err, errno, "cannot sync the folder %s", folder);
    }
    return true;
}

bool files_write_atomically(const char *path, struct slice content, mode_t mode,
                            struct error *err) {
    char random[FILES_RANDOM_NAME_SIZE];
    files_random_name(random);
    cleanup_free char *folder = folder_of(path);
    cleanup_free char *temporary = xasprintf("%s/.%s.tmp", folder, random);
    cleanup_close int fd =
        open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_errno(err, errno, "cannot write %s: cannot make a file beside it", path);
    }
    bool done = files_write_fd(fd, path, content, err);
    // By fchmod, as the umask takes bits out of open's mode.
    if (done && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) {
        done = error_errno(err, errno, "cannot write %s", path);
    }
    if (done && rename(temporary, path) != 0) {
        done = error_errno(err, errno, "cannot replace %s", path);
    }
    if (!done) {
        (void)unlink(temporary);
        return false;
    }
    return sync_folder_of(path, err);
}

bool files_rename_durably(const char *from, const char *to, struct error *err) {
    cleanup_close int fd = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        return error_errno(err, errno, "cannot sync %s", from);
    }
    if (rename(from, to) != 0) {
        return error_errno(err, errno, "cannot rename %s to %s", from, to);
    }
    return sync_folder_of(to, err);
}
