// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/source.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"

static bool changed(const struct entry *entry, struct error *err) {
    return error_set(err, "changed", "%s: changed while it was packed", entry->origin);
}

bool source_is_unchanged(const struct entry *entry, int fd, struct error *err) {
    struct stat now;
    if (fstat(fd, &now) != 0) {
        return error_errno(err, errno, "%s", entry->origin);
    }
    const struct stat *then = &entry->found;
    if (!S_ISREG(now.st_mode) || now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
        now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != then->st_mtim.tv_nsec) {
        return changed(entry, err);
    }
    return true;
}

int source_open(const struct entry *entry, struct error *err) {
    if (entry->fd >= 0) {
        return entry->fd;
    }
    // Not to wait for a FIFO that took the file's place.
    cleanup_close int fd = open(entry->origin, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        error_errno(err, errno, "%s: cannot open it", entry->origin);
        return -1;
    }
    return source_is_unchanged(entry, fd, err) ? steal_fd(&fd) : -1;
}

void source_close(const struct entry *entry, int fd) {
    if (fd != entry->fd) {
        cleanup_closep(&fd);
    }
}

bool source_read(const struct entry *entry, int fd, uint64_t offset, void *into, size_t size,
                 struct error *err) {
    char *at = into;
    while (size > 0) {
        const ssize_t count = pread(fd, at, size, (off_t)offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return error_errno(err, errno, "%s: cannot read it", entry->origin);
        }
        if (count == 0) {
            return changed(entry, err);
        }
        at += count;
        offset += (uint64_t)count;
        size -= (size_t)count;
    }
    return true;
}
