// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/archive.h"

#include <string.h>
#include <zip.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/archive_target.h"
#include "layer-packer/compress.h"

/// 1980-01-01 00:00, the first that a zip can hold; as a DOS time it knows no zone.
enum { DOS_DATE = 0x0021, DOS_TIME = 0 };
/// MS-DOS' own mark of a folder, beside Unix' mode.
enum { DOS_FOLDER = 0x10 };

/// All that the callbacks of libzip share.
struct archive {
    const struct tree *tree;
    struct compressor *compressor;
    zip_t *zip;
    /// Why a callback failed: libzip's own codes say less.
    struct error failure;
    bool failed;
};

/// One file, as libzip reads it.
struct file {
    struct archive *archive;
    size_t index;
    struct compress_piece piece;
    size_t used;
    uint32_t crc;
    bool at_end;
    zip_error_t error;
};

// --- Files, already deflated ------------------------------------------------------------------

static zip_int64_t read_file(struct file *file, char *into, zip_uint64_t room) {
    struct archive *archive = file->archive;
    while (!file->at_end && file->used == file->piece.length) {
        file->used = 0;
        if (!compressor_next(archive->compressor, file->index, &file->piece, &file->crc,
                             &archive->failure)) {
            archive->failed = true;
            zip_error_set(&file->error, ZIP_ER_READ, 0);
            return -1;
        }
        file->at_end = file->piece.length == 0;
    }
    if (file->at_end) {
        return 0;
    }
    const size_t left = file->piece.length - file->used;
    const size_t count = room < left ? (size_t)room : left;
    memcpy(into, file->piece.data + file->used, count);
    file->used += count;
    return (zip_int64_t)count;
}

static zip_int64_t stat_file(const struct file *file, zip_stat_t *status) {
    const struct entry *entry = &file->archive->tree->entries[file->index];
    zip_stat_init(status);
    status->size = (zip_uint64_t)entry->found.st_size;
    status->comp_method = compress_is_deflated(entry) ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
    status->encryption_method = ZIP_EM_NONE;
    status->valid = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (file->at_end) {
        // libzip asks once more after it has read everything.
        status->crc = file->crc;
        status->valid |= ZIP_STAT_CRC;
    }
    return sizeof(*status);
}

static zip_int64_t call_file(void *context, void *data, zip_uint64_t length,
                             zip_source_cmd_t command) {
    struct file *file = context;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                              ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                              ZIP_SOURCE_SUPPORTS, -1);
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
        return 0;
    case ZIP_SOURCE_READ:
        return read_file(file, data, length);
    case ZIP_SOURCE_STAT:
        return stat_file(file, data);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&file->error, data, length);
    case ZIP_SOURCE_FREE:
        zip_error_fini(&file->error);
        free(file);
        return 0;
    default:
        zip_error_set(&file->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

static zip_source_t *file_source(struct archive *archive, size_t index) {
    struct file *file = xcalloc(1, sizeof(*file));
    file->archive = archive;
    file->index = index;
    zip_error_init(&file->error);
    zip_source_t *source = zip_source_function(archive->zip, call_file, file);
    if (!source) {
        free(file);
    }
    return source;
}

// --- Entries ----------------------------------------------------------------------------------

static zip_uint32_t unix_mode(const struct entry *entry) {
    switch (entry->kind) {
    case ENTRY_FOLDER:
        return S_IFDIR | 0755;
    case ENTRY_LINK:
        return S_IFLNK | 0777;
    case ENTRY_FILE:
        break;
    }
    return S_IFREG | entry->mode;
}

static zip_source_t *source_of(struct archive *archive, size_t index) {
    const struct entry *entry = &archive->tree->entries[index];
    switch (entry->kind) {
    case ENTRY_FOLDER:
        return zip_source_buffer(archive->zip, NULL, 0, 0);
    case ENTRY_LINK:
        return zip_source_buffer(archive->zip, entry->target, strlen(entry->target), 0);
    case ENTRY_FILE:
        break;
    }
    return file_source(archive, index);
}

/// What is not ASCII is marked as UTF-8. What is, is left to libzip's guess: as UTF-8 it would
/// refuse control characters.
static zip_flags_t encoding_of(const char *name) {
    while (*name != '\0' && (unsigned char)*name < 0x80) {
        name++;
    }
    return *name != '\0' ? ZIP_FL_ENC_UTF_8 : ZIP_FL_ENC_GUESS;
}

static bool add_entry(struct archive *archive, size_t index) {
    const struct entry *entry = &archive->tree->entries[index];
    const bool folder = entry->kind == ENTRY_FOLDER;
    const bool deflated = entry->kind == ENTRY_FILE && compress_is_deflated(entry);
    zip_source_t *source = source_of(archive, index);
    if (!source) {
        return false;
    }
    cleanup_free char *name = xasprintf("%s%s", entry->name, folder ? "/" : "");
    const zip_int64_t added = zip_file_add(archive->zip, name, source, encoding_of(name));
    if (added < 0) {
        zip_source_free(source);
        return false;
    }
    const zip_uint64_t at = (zip_uint64_t)added;
    const zip_uint32_t attributes = unix_mode(entry) << 16 | (folder ? DOS_FOLDER : 0);
    // What is deflated is taken as it is where the method is left open.
    return (deflated || zip_set_file_compression(archive->zip, at, ZIP_CM_STORE, 0) == 0) &&
           zip_file_set_dostime(archive->zip, at, DOS_TIME, DOS_DATE, 0) == 0 &&
           zip_file_set_external_attributes(archive->zip, at, 0, ZIP_OPSYS_UNIX, attributes) == 0;
}

static bool write_zip(struct archive *archive, const char *path, struct error *err) {
    for (size_t i = 0; i < archive->tree->count; i++) {
        if (!add_entry(archive, i)) {
            return error_set(err, "zip", "cannot write %s: %s: %s", path,
                             archive->tree->entries[i].name, zip_strerror(archive->zip));
        }
    }
    if (zip_close(archive->zip) == 0) {
        archive->zip = NULL;
        return true;
    }
    if (archive->failed) {
        *err = archive->failure;
        return false;
    }
    return error_set(err, "zip", "cannot write %s: %s", path, zip_strerror(archive->zip));
}

bool archive_write(const struct tree *tree, const struct archive_settings *settings, int fd,
                   const char *path, struct error *err) {
    if (tree->count == 0) {
        return error_set(err, "empty", "there is nothing to pack");
    }
    struct archive_target target = {.fd = fd};
    struct archive archive = {.tree = tree};
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = archive_target_source(&target, &error);
    if (source) {
        archive.zip = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error);
    }
    if (!archive.zip) {
        error_set(err, "zip", "cannot write %s: %s", path, zip_error_strerror(&error));
        zip_source_free(source);
        zip_error_fini(&error);
        return false;
    }
    archive.compressor = compressor_start(tree, settings->level, settings->threads, err);
    const bool good = archive.compressor && write_zip(&archive, path, err);
    if (archive.zip) {
        zip_discard(archive.zip);
    }
    compressor_destroy(archive.compressor);
    return good;
}
