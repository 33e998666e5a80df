// SPDX-License-Identifier: Apache-2.0
/// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.12 to 4.3.16
#include "common/zip/directory.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"

enum {
    LOCAL = 30,
    RECORD = 46,
    END = 22,
    END64 = 56,
    LOCATOR = 20,
    MAX_NAME = 65535,
};

static uint64_t number(const unsigned char *bytes, size_t size) {
    uint64_t value = 0;
    memcpy(&value, bytes, size);
    return le64toh(value);
}

static bool damaged(struct error *err) {
    return error_set(err, "zip", "not a good zip: its central directory is damaged");
}

/// All of `size` bytes at `offset`.
static bool read_at(int fd, uint64_t offset, void *into, size_t size, struct error *err) {
    char *at = into;
    while (size > 0) {
        if (offset > INT64_MAX - size) {
            return damaged(err);
        }
        const ssize_t count = pread(fd, at, size, (off_t)offset);
        if (count < 0 && errno != EINTR) {
            return error_errno(err, errno, "cannot read the zip");
        }
        if (count == 0) {
            return damaged(err);
        }
        const size_t got = count > 0 ? (size_t)count : 0;
        at += got;
        offset += got;
        size -= got;
    }
    return true;
}

/// Where the directory begins.
static bool find_directory(int fd, zip_t *zip, uint64_t size, uint64_t *offset, struct error *err) {
    int comment = 0;
    (void)zip_get_archive_comment(zip, &comment, ZIP_FL_ENC_RAW);
    const uint64_t behind = END + (uint64_t)(comment > 0 ? comment : 0);
    if (size < behind) {
        return damaged(err);
    }
    const uint64_t end = size - behind;
    unsigned char record[END64];
    if (!read_at(fd, end, record, END, err)) {
        return false;
    }
    if (memcmp(record, "PK\5\6", 4) != 0) {
        return damaged(err);
    }
    *offset = number(record + 16, 4);
    if (end < LOCATOR) {
        return true;
    }
    if (!read_at(fd, end - LOCATOR, record, LOCATOR, err)) {
        return false;
    }
    if (memcmp(record, "PK\6\7", 4) != 0) {
        return true;
    }
    if (!read_at(fd, number(record + 8, 8), record, END64, err)) {
        return false;
    }
    *offset = number(record + 48, 8);
    return memcmp(record, "PK\6\6", 4) == 0 || damaged(err);
}

/// Where we are in the directory.
struct walk {
    int fd;
    zip_t *zip;
    uint64_t offset;
    /// What the file has left for the entries to come.
    uint64_t left;
    char *name;
};

static bool check_bytes(struct walk *walk, zip_uint64_t index, uint64_t headers,
                        struct error *err) {
    zip_stat_t status;
    if (zip_stat_index(walk->zip, index, ZIP_FL_ENC_RAW, &status) != 0 ||
        (status.valid & ZIP_STAT_COMP_SIZE) == 0) {
        return damaged(err);
    }
    if (headers > walk->left || status.comp_size > walk->left - headers) {
        return error_set(err, "zip", "%s: shares its bytes with another entry", walk->name);
    }
    walk->left -= headers + status.comp_size;
    return true;
}

static bool check_record(struct walk *walk, zip_uint64_t index, struct error *err) {
    unsigned char record[RECORD];
    if (!read_at(walk->fd, walk->offset, record, RECORD, err)) {
        return false;
    }
    if (memcmp(record, "PK\1\2", 4) != 0) {
        return damaged(err);
    }
    const size_t length = (size_t)number(record + 28, 2);
    if (!read_at(walk->fd, walk->offset + RECORD, walk->name, length, err)) {
        return false;
    }
    walk->name[length] = '\0';
    if (memchr(walk->name, '\0', length)) {
        return error_set(err, "zip", "%s: the name has a NUL in it", walk->name);
    }
    const uint64_t size = RECORD + length + number(record + 30, 2) + number(record + 32, 2);
    walk->offset += size;
    return check_bytes(walk, index, LOCAL + length + size, err);
}

bool directory_check(int fd, zip_t *zip, struct error *err) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_errno(err, errno, "cannot read the zip");
    }
    const zip_int64_t count = zip_get_num_entries(zip, 0);
    const uint64_t size = (uint64_t)status.st_size;
    cleanup_free char *name = xmalloc(MAX_NAME + 1);
    struct walk walk = {.fd = fd, .zip = zip, .left = size, .name = name};
    if (!find_directory(fd, zip, size, &walk.offset, err)) {
        return false;
    }
    for (zip_int64_t i = 0; i < count; i++) {
        if (!check_record(&walk, (zip_uint64_t)i, err)) {
            return false;
        }
    }
    return true;
}
