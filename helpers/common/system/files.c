// SPDX-License-Identifier: Apache-2.0
/// Reading and writing of files; their removal is in files_remove.c.
#include "common/system/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
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

/// Appends what one read gives. `*more` becomes false at the end.
static bool read_some(int fd, const char *name, struct buffer *out, bool *more, struct error *err) {
    enum { STEP = 64 * 1024 };
    // Where little room is left, one byte more tells whether the file ends there.
    const size_t room = out->max > out->len ? out->max - out->len : 0;
    const size_t size = room > 0 ? (room < STEP ? room : STEP) : 1;
    char beyond = 0;
    char *end = room > 0 ? buffer_reserve(out, size) : &beyond;
    const ssize_t count = read(fd, end, size);
    *more = count != 0;
    if (count < 0) {
        return errno == EINTR || error_errno(err, errno, "cannot read %s", name);
    }
    if (count > 0 && room == 0) {
        return error_set(err, "too_large", "cannot read %s: larger than %zu bytes", name, out->max);
    }
    buffer_commit(out, (size_t)count);
    return true;
}

bool files_read_fd(int fd, const char *name, struct buffer *out, struct error *err) {
    bool more = true;
    while (more) {
        if (!read_some(fd, name, out, &more, err)) {
            return false;
        }
    }
    return true;
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

/// Opens it without waiting for the other end of a FIFO.
static int open_at_once(const char *path, struct error *err) {
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        const int reason = errno;
        error_errno(err, reason, "cannot read %s", path);
        // ENXIO: a socket.
        if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP || reason == ENXIO) {
            error_set(err, "not_found", "%s", err->message);
        }
    }
    return fd;
}

bool files_read_regular(const char *path, struct buffer *out, struct error *err) {
    cleanup_close int fd = open_at_once(path, err);
    struct stat status;
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return error_set(err, "not_found", "cannot read %s: it must be a regular file", path);
    }
    return files_read_fd(fd, path, out, err);
}

static int64_t monotonic_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// Waits until a read gives something, the end included.
static bool wait_for_more(int fd, int64_t until_ms) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    for (;;) {
        const int64_t left_ms = until_ms - monotonic_ms();
        const int count = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count > 0 || (count == 0 && left_ms <= 0) || (count < 0 && errno != EINTR)) {
            return count > 0;
        }
    }
}

bool files_read_within(const char *path, int limit_ms, struct buffer *out, struct error *err) {
    const int64_t until_ms = monotonic_ms() + limit_ms;
    cleanup_close int fd = open_at_once(path, err);
    if (fd < 0) {
        return false;
    }
    bool more = true;
    while (more && wait_for_more(fd, until_ms)) {
        // Another reader of the pipe may have been faster.
        if (!read_some(fd, path, out, &more, err) && err->errnum != EAGAIN) {
            return false;
        }
    }
    return !more ||
           error_set(err, "timeout", "cannot read %s: nobody wrote it to its end within %d ms",
                     path, limit_ms);
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
