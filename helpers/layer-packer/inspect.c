// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/directory.h"
#include "layer-packer/reader.h"
#include "layer-packer/tree.h"

/// The fixed parts of an entry's local and central headers.
enum { HEADERS = 30 + 46 };

struct inspector {
    zip_t *zip;
    struct tree tree;
    /// Of all entries, their headers included.
    uint64_t packed;
    uint64_t file_size;
    uint64_t max_unzipped;
    struct inspection *result;
};

static void file_closep(zip_file_t **file) {
    if (*file) {
        (void)zip_fclose(*file);
    }
}

/// Reads an entry whole; `text` (of `status->size` bytes) may be NULL.
static bool read_entry(zip_t *zip, const zip_stat_t *status, char *text, struct error *err) {
    enum { STEP = 64 * 1024 };
    __attribute__((cleanup(file_closep))) zip_file_t *file = zip_fopen_index(zip, status->index, 0);
    if (!file) {
        return error_set(err, "zip", "%s: %s", status->name, zip_strerror(zip));
    }
    char piece[STEP];
    uint64_t total = 0;
    for (;;) {
        const zip_int64_t count = zip_fread(file, piece, STEP);
        if (count < 0) {
            return error_set(err, "zip", "%s: %s", status->name, zip_file_strerror(file));
        }
        if (count == 0 || total + (uint64_t)count > status->size) {
            total += (uint64_t)count;
            break;
        }
        if (text) {
            memcpy(text + total, piece, (size_t)count);
        }
        total += (uint64_t)count;
    }
    return total == status->size ||
           error_set(err, "zip", "%s: has not the %" PRIu64 " bytes that the zip says",
                     status->name, status->size);
}

static bool count_sizes(struct inspector *inspector, const zip_stat_t *status, struct error *err) {
    const uint64_t headers = HEADERS + 2 * (uint64_t)strlen(status->name);
    if (status->comp_size > inspector->file_size - inspector->packed ||
        headers > inspector->file_size - inspector->packed - status->comp_size) {
        return error_set(err, "zip", "%s: shares its bytes with another entry", status->name);
    }
    inspector->packed += headers + status->comp_size;
    if (status->size > inspector->max_unzipped - inspector->result->unzipped_size) {
        return error_set(err, "too_large", "%s: more than %" PRIu64 " bytes unzipped", status->name,
                         inspector->max_unzipped);
    }
    inspector->result->unzipped_size += status->size;
    return true;
}

static bool stat_entry(zip_t *zip, zip_uint64_t index, zip_stat_t *status, struct error *err) {
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(zip, index, ZIP_FL_ENC_RAW, status) != 0 ||
        (status->valid & wanted) != wanted) {
        return error_set(err, "zip", "entry %llu: %s", (unsigned long long)index,
                         zip_strerror(zip));
    }
    if (status->encryption_method != ZIP_EM_NONE) {
        return error_set(err, "zip", "%s: is encrypted", status->name);
    }
    if (status->comp_method != ZIP_CM_STORE && status->comp_method != ZIP_CM_DEFLATE) {
        return error_set(err, "zip", "%s: compressed in another way than deflate", status->name);
    }
    return true;
}

static bool add_link(struct inspector *inspector, const zip_stat_t *status, struct slice name,
                     struct error *err) {
    if (status->size > TREE_MAX_NAME) {
        return error_set(err, "link", "%s: the symlink is too long", status->name);
    }
    cleanup_free char *target = xcalloc(TREE_MAX_NAME + 1, 1);
    return read_entry(inspector->zip, status, target, err) &&
           tree_add_link(&inspector->tree, name, status->name,
                         slice_make(target, (size_t)status->size), err);
}

static bool add_entry(struct inspector *inspector, zip_uint64_t index, struct error *err) {
    zip_stat_t status;
    if (!stat_entry(inspector->zip, index, &status, err) || !count_sizes(inspector, &status, err)) {
        return false;
    }
    const struct slice name = slice_text(status.name);
    const bool slash = slice_ends_with(name, SLICE("/"));
    const unsigned mode = reader_mode(inspector->zip, index);
    const unsigned type = mode != 0 ? mode & S_IFMT : slash ? S_IFDIR : S_IFREG;
    const struct stat found = {.st_size = (off_t)status.size};
    if (slash != (type == S_IFDIR)) {
        return error_set(err, "zip", "%s: a folder's name ends in a slash, and no other does",
                         status.name);
    }
    switch (type) {
    case S_IFDIR:
        if (status.size > 0) {
            return error_set(err, "zip", "%s: a folder with content", status.name);
        }
        return tree_add_folder(&inspector->tree, slice_make(name.data, name.len - 1), status.name,
                               err);
    case S_IFLNK:
        return add_link(inspector, &status, name, err);
    case S_IFREG:
        return tree_add_file(&inspector->tree, name, status.name, -1, &found, false, err);
    default:
        return error_set(err, "kind", "%s: is a device file or the like", status.name);
    }
}

static bool inspect(struct inspector *inspector, bool structure_only, struct error *err) {
    const zip_int64_t count = zip_get_num_entries(inspector->zip, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        if (!add_entry(inspector, (zip_uint64_t)i, err)) {
            return false;
        }
    }
    inspector->result->entries = count > 0 ? (uint64_t)count : 0;
    if (!tree_finish(&inspector->tree, err)) {
        return false;
    }
    for (zip_int64_t i = 0; i < count && !structure_only; i++) {
        zip_stat_t status;
        if (!stat_entry(inspector->zip, (zip_uint64_t)i, &status, err) ||
            !read_entry(inspector->zip, &status, NULL, err)) {
            return false;
        }
    }
    return true;
}

bool inspect_zip(int fd, zip_t *zip, uint64_t file_size, uint64_t max_unzipped, bool structure_only,
                 struct inspection *inspection, struct error *err) {
    *inspection = (struct inspection){0};
    struct inspector inspector = {
        .zip = zip, .file_size = file_size, .max_unzipped = max_unzipped, .result = inspection};
    const bool good = directory_check(fd, zip, err) && inspect(&inspector, structure_only, err);
    tree_clean_up(&inspector.tree);
    return good;
}
