// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/member.h"

#include <sys/stat.h>
#include <zip.h>

#include "common/system/files.h"
#include "common/zip/reader.h"

/// Where the content goes.
struct target {
    int fd;
    const char *member;
};

static bool write_piece(void *context, struct slice piece, struct error *err) {
    const struct target *target = context;
    return files_write_fd(target->fd, target->member, piece, err);
}

bool member_extract(int zip_fd, const char *member, int out_fd, uint64_t max_size, mode_t *mode,
                    struct error *err) {
    cleanup_reader struct reader reader = {0};
    if (!reader_open(&reader, zip_fd, err)) {
        return false;
    }
    const zip_int64_t index = zip_name_locate(reader.zip, member, 0);
    if (index < 0) {
        return error_set(err, "member", "the zip does not have a file %s", member);
    }
    struct reader_entry entry;
    if (!reader_look(&reader, (uint64_t)index, &entry, err)) {
        return false;
    }
    if (entry.size > max_size) {
        return error_set(err, "too_large", "%s: %llu bytes, which is more than %llu", member,
                         (unsigned long long)entry.size, (unsigned long long)max_size);
    }
    if (!S_ISREG(entry.mode)) {
        return error_set(err, "member", "%s: must be a file in the zip, not a folder or symlink",
                         member);
    }
    *mode = entry.mode;
    struct target target = {.fd = out_fd, .member = member};
    return reader_read(&reader, &entry, write_piece, &target, err);
}
