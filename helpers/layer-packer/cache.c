// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/system/digest.h"
#include "common/system/environment.h"
#include "common/system/files.h"
#include "layer-packer/download.h"

bool cache_open(struct cache *cache, struct error *err) {
    cleanup_free char *ours = environment_cache_folder();
    if (!ours) {
        return error_set(err, "cache",
                         "no place for downloads: neither XDG_CACHE_HOME nor HOME is set");
    }
    cache->folder = xasprintf("%s/downloads", ours);
    return true;
}

void cache_clean_up(struct cache *cache) {
    free(cache->folder);
    cache->folder = NULL;
}

int cache_temporary(const struct cache *cache, struct error *err) {
    cleanup_close int fd = open(cache->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        return steal_fd(&fd);
    }
    char random[FILES_RANDOM_NAME_SIZE];
    files_random_name(random);
    cleanup_free char *name = xasprintf("%s/.%s", cache->folder, random);
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || unlink(name) != 0) {
        error_errno(err, errno, "cannot write in %s", cache->folder);
        return -1;
    }
    return steal_fd(&fd);
}

/// Tells whether the open file has that checksum; `*match` is only set on true.
static bool proves(int fd, const char *name, const char *sha256, bool *match, struct error *err) {
    unsigned char digest[DIGEST_SIZE];
    if (!digest_fd(fd, name, digest, err)) {
        return false;
    }
    char hex[DIGEST_HEX_SIZE];
    digest_hex(digest, hex);
    *match = strcmp(hex, sha256) == 0;
    if (!*match) {
        error_set(err, "checksum", "the SHA-256 is %s, not %s", hex, sha256);
    }
    return true;
}

/// Opens the file if it is there and good; -1 if it is not (`*failed`: for another reason).
static int open_good(const char *path, const char *sha256, bool *failed, struct error *err) {
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool match = false;
    *failed = false;
    if (fd < 0) {
        *failed = errno != ENOENT && !error_errno(err, errno, "%s", path);
        return -1;
    }
    if (!proves(fd, path, sha256, &match, err)) {
        *failed = true;
        return -1;
    }
    if (match) {
        return steal_fd(&fd);
    }
    // Somebody else's mistake, or the disk's: what is named after a checksum must have it.
    (void)unlink(path);
    return -1;
}

/// Opens the unfinished file and keeps others from it. Whoever had it before may have finished and
/// renamed it meanwhile: then it is opened anew.
static int lock_part(const char *path, struct error *err) {
    for (;;) {
        cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct stat ours;
        struct stat named;
        if (fd < 0) {
            error_errno(err, errno, "cannot write %s", path);
            return -1;
        }
        while (flock(fd, LOCK_EX) != 0) {
            if (errno != EINTR) {
                error_errno(err, errno, "cannot lock %s", path);
                return -1;
            }
        }
        if (fstat(fd, &ours) != 0) {
            error_errno(err, errno, "%s", path);
            return -1;
        }
        if (stat(path, &named) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev) {
            return steal_fd(&fd);
        }
    }
}

/// Downloads to the locked file until it has the checksum.
static bool fill(int fd, const char *part, const char *url, const char *sha256, struct error *err) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_errno(err, errno, "%s", part);
    }
    bool resumed = status.st_size > 0;
    for (;;) {
        bool match = false;
        // A beginning that an earlier run left may be the whole.
        if (resumed && proves(fd, part, sha256, &match, err) && match) {
            return true;
        }
        if (!download(url, fd, err)) {
            return false;
        }
        if (!proves(fd, part, sha256, &match, err)) {
            return false;
        }
        if (match) {
            return true;
        }
        if (ftruncate(fd, 0) != 0) {
            return error_errno(err, errno, "%s", part);
        }
        // The beginning may have been of another file; the whole of this one decides.
        if (!resumed) {
            (void)unlink(part);
            return download_prefix(url, err);
        }
        resumed = false;
    }
}

int cache_get(const struct cache *cache, const char *url, const char *sha256, bool *downloaded,
              struct error *err) {
    cleanup_free char *path = xasprintf("%s/%s", cache->folder, sha256);
    cleanup_free char *part = xasprintf("%s.part", path);
    bool failed = false;
    bool ignored = false;
    bool *used = downloaded ? downloaded : &ignored;
    *used = false;
    int found = open_good(path, sha256, &failed, err);
    if (found >= 0 || failed) {
        return found;
    }
    if (!files_make_directories(cache->folder, 0700, err)) {
        return -1;
    }
    cleanup_close int fd = lock_part(part, err);
    if (fd < 0) {
        return -1;
    }
    // While we waited for the lock, another process may have brought it.
    found = open_good(path, sha256, &failed, err);
    if (found >= 0 || failed) {
        if (found >= 0) {
            (void)unlink(part);
        }
        return found;
    }
    *used = true;
    if (!fill(fd, part, url, sha256, err)) {
        struct stat status;
        if (fstat(fd, &status) == 0 && status.st_size == 0) {
            (void)unlink(part);
        }
        return -1;
    }
    if (!files_rename_durably(part, path, err)) {
        return -1;
    }
    return steal_fd(&fd);
}
