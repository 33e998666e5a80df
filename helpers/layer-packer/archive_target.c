// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/archive_target.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static zip_int64_t fail(struct archive_target *target, int code, int errnum) {
    zip_error_set(&target->error, code, errnum);
    return -1;
}

static zip_int64_t write_all(struct archive_target *target, const char *data, zip_uint64_t length) {
    zip_uint64_t written = 0;
    while (written < length) {
        const ssize_t count =
            pwrite(target->fd, data + written, length - written, (off_t)target->position);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(target, ZIP_ER_WRITE, errno);
        }
        written += (zip_uint64_t)count;
        target->position += count;
    }
    target->size = target->position > target->size ? target->position : target->size;
    return (zip_int64_t)length;
}

static zip_int64_t seek(struct archive_target *target, void *data, zip_uint64_t length) {
    const zip_int64_t position = zip_source_seek_compute_offset(
        (zip_uint64_t)target->position, (zip_uint64_t)target->size, data, length, &target->error);
    if (position < 0) {
        return -1;
    }
    target->position = position;
    return 0;
}

static zip_int64_t call(void *context, void *data, zip_uint64_t length, zip_source_cmd_t command) {
    struct archive_target *target = context;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS,
            ZIP_SOURCE_BEGIN_WRITE, ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE,
            ZIP_SOURCE_WRITE, ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE, -1);
    case ZIP_SOURCE_STAT:
        // An archive that is not there yet.
        return fail(target, ZIP_ER_READ, ENOENT);
    case ZIP_SOURCE_BEGIN_WRITE:
        target->position = 0;
        return 0;
    case ZIP_SOURCE_WRITE:
        return write_all(target, data, length);
    case ZIP_SOURCE_SEEK_WRITE:
        return seek(target, data, length);
    case ZIP_SOURCE_TELL_WRITE:
        return target->position;
    case ZIP_SOURCE_COMMIT_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_REMOVE:
    case ZIP_SOURCE_FREE:
        // Whether the file is kept is decided by whoever opened it.
        return 0;
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&target->error, data, length);
    default:
        return fail(target, ZIP_ER_OPNOTSUPP, 0);
    }
}

zip_source_t *archive_target_source(struct archive_target *target, zip_error_t *error) {
    zip_error_init(&target->error);
    return zip_source_function_create(call, target, error);
}
