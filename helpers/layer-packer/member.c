// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/member.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "layer-packer/reader.h"

static void file_closep(zip_file_t **file) {
    if (*file) {
        (void)zip_fclose(*file);
    }
}

static bool copy(zip_file_t *file, const char *member, int out_fd, uint64_t size,
                 struct error *err) {
    enum { STEP = 256 * 1024 };
    cleanup_free char *piece = xmalloc(STEP);
    uint64_t total = 0;
    for (;;) {
        const zip_int64_t count = zip_fread(file, piece, STEP);
        if (count < 0) {
            return error_set(err, "zip", "%s: %s", member, zip_file_strerror(file));
        }
        if (count == 0) {
            break;
        }
        total += (uint64_t)count;
        if (total > size) {
            break;
        }
        if (!files_write_fd(out_fd, member, slice_make(piece, (size_t)count), err)) {
            return false;
        }
    }
    return total == size || error_set(err, "zip", "%s: has not the size that the zip says", member);
}

bool member_extract(int zip_fd, const char *member, int out_fd, uint64_t max_size, bool *executable,
                    struct error *err) {
    cleanup_reader zip_t *zip = reader_open(zip_fd, err);
    if (!zip) {
        return false;
    }
    const zip_int64_t index = zip_name_locate(zip, member, 0);
    if (index < 0) {
        return error_set(err, "member", "the zip has no file %s", member);
    }
    zip_stat_t status;
    if (zip_stat_index(zip, (zip_uint64_t)index, 0, &status) != 0 ||
        (status.valid & ZIP_STAT_SIZE) == 0) {
        return error_set(err, "zip", "%s: %s", member, zip_strerror(zip));
    }
    if (status.size > max_size) {
        return error_set(err, "too_large", "%s: %llu bytes, which is more than %llu", member,
                         (unsigned long long)status.size, (unsigned long long)max_size);
    }
    const unsigned mode = reader_mode(zip, (zip_uint64_t)index);
    if (mode != 0 && !S_ISREG(mode)) {
        return error_set(err, "member", "%s: is no file in the zip", member);
    }
    *executable = (mode & S_IXUSR) != 0;
    __attribute__((cleanup(file_closep))) zip_file_t *file =
        zip_fopen_index(zip, (zip_uint64_t)index, 0);
    if (!file) {
        return error_set(err, "zip", "%s: %s", member, zip_strerror(zip));
    }
    return copy(file, member, out_fd, status.size, err);
}
