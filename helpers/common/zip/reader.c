// SPDX-License-Identifier: Apache-2.0
#include "common/zip/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/zip/directory.h"

static const char ZIP[] = "zip";
enum { PIECE = 128 * 1024 };

static void file_closep(zip_file_t **file) {
    if (*file) {
        (void)zip_fclose(*file);
    }
}

/// Takes the source over.
static zip_t *open_source(zip_source_t *source, zip_error_t *error, struct error *err) {
    zip_t *zip = !source ? NULL : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, error);
    if (!zip) {
        error_set(err, ZIP, "not a good zip: %s", zip_error_strerror(error));
        zip_source_free(source);
    }
    zip_error_fini(error);
    return zip;
}

/// libzip seeks and closes: that must not be the caller's descriptor.
static zip_t *open_copy(int fd, struct error *err) {
    cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cleanup_fclose FILE *stream = copy < 0 ? NULL : fdopen(copy, "rb");
    zip_error_t error;
    if (!stream) {
        error_errno(err, errno, "cannot open the zip");
        return NULL;
    }
    (void)steal_fd(&copy);
    if (fseeko(stream, 0, SEEK_SET) != 0) {
        error_errno(err, errno, "cannot open the zip");
        return NULL;
    }
    zip_error_init(&error);
    zip_source_t *source = zip_source_filep_create(stream, 0, -1, &error);
    if (source) {
        (void)steal_pointer(&stream);
    }
    return open_source(source, &error, err);
}

bool reader_open(struct reader *reader, int fd, struct error *err) {
    *reader = (struct reader){.zip = open_copy(fd, err)};
    if (!reader->zip || !directory_check(fd, reader->zip, err)) {
        reader_clean_up(reader);
        return false;
    }
    const zip_int64_t count = zip_get_num_entries(reader->zip, 0);
    reader->count = count > 0 ? (uint64_t)count : 0;
    reader->piece = xmalloc(PIECE);
    return true;
}

void reader_clean_up(struct reader *reader) {
    if (reader->zip) {
        zip_discard(reader->zip);
    }
    free(reader->piece);
    *reader = (struct reader){0};
}

// --- Entries -------------------------------------------------------------------------------------

static mode_t mode_of(zip_t *zip, uint64_t index, bool slash) {
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    const bool known = zip_file_get_external_attributes(zip, index, 0, &system, &attributes) == 0 &&
                       (system == ZIP_OPSYS_UNIX || system == ZIP_OPSYS_OS_X);
    const mode_t mode = known ? (mode_t)(attributes >> 16) : 0;
    return (mode & S_IFMT) != 0 ? mode : mode | (slash ? S_IFDIR : S_IFREG);
}

/// Says why the entry is refused, or NULL.
static const char *flaw_of(const zip_stat_t *status, mode_t mode, bool slash) {
    if (status->encryption_method != ZIP_EM_NONE) {
        return "is encrypted";
    }
    if (status->comp_method != ZIP_CM_STORE && status->comp_method != ZIP_CM_DEFLATE) {
        return "compressed in another way than deflate";
    }
    if (slash != S_ISDIR(mode)) {
        return "a folder's name ends in a slash, and no other does";
    }
    return slash && status->size > 0 ? "a folder with content" : NULL;
}

bool reader_look(const struct reader *reader, uint64_t index, struct reader_entry *entry,
                 struct error *err) {
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t status;
    if (zip_stat_index(reader->zip, index, ZIP_FL_ENC_RAW, &status) != 0) {
        return error_set(err, ZIP, "entry %" PRIu64 ": %s", index, zip_strerror(reader->zip));
    }
    if ((status.valid & wanted) != wanted) {
        return error_set(err, ZIP, "entry %" PRIu64 ": its name, size or method is missing", index);
    }
    const bool slash = slice_ends_with(slice_text(status.name), SLICE("/"));
    *entry = (struct reader_entry){
        .index = index,
        .name = status.name,
        .mode = mode_of(reader->zip, index, slash),
        .size = status.size,
        .packed_size = status.comp_size,
    };
    const char *flaw = flaw_of(&status, entry->mode, slash);
    return !flaw || reader_refuse(entry, flaw, err);
}

bool reader_refuse(const struct reader_entry *entry, const char *flaw, struct error *err) {
    return error_set(err, ZIP, "%.200s: %s", entry->name, flaw);
}

static bool has_another_size(const struct reader_entry *entry, struct error *err) {
    cleanup_free char *flaw =
        xasprintf("does not have the %" PRIu64 " bytes that the zip states", entry->size);
    return reader_refuse(entry, flaw, err);
}

bool reader_read(const struct reader *reader, const struct reader_entry *entry, reader_sink *sink,
                 void *context, struct error *err) {
    __attribute__((cleanup(file_closep))) zip_file_t *file =
        zip_fopen_index(reader->zip, entry->index, 0);
    if (!file) {
        return reader_refuse(entry, zip_strerror(reader->zip), err);
    }
    uint64_t left = entry->size;
    for (;;) {
        const zip_int64_t count = zip_fread(file, reader->piece, PIECE);
        if (count < 0) {
            return reader_refuse(entry, zip_file_strerror(file), err);
        }
        if (count == 0) {
            return left == 0 || has_another_size(entry, err);
        }
        if ((uint64_t)count > left) {
            return has_another_size(entry, err);
        }
        left -= (uint64_t)count;
        if (sink && !sink(context, slice_make(reader->piece, (size_t)count), err)) {
            return false;
        }
    }
}
