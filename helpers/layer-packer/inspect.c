// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/zip/entry_name.h"
#include "layer-packer/links.h"
#include "layer-packer/tree.h"

struct inspector {
    const struct reader *reader;
    struct tree tree;
    uint64_t max_unzipped;
    struct inspection *result;
};

static bool count_size(struct inspector *inspector, const struct reader_entry *entry,
                       struct error *err) {
    if (entry->size > inspector->max_unzipped - inspector->result->unzipped_size) {
        return error_set(err, "too_large", "%s: more than %" PRIu64 " bytes unzipped", entry->name,
                         inspector->max_unzipped);
    }
    inspector->result->unzipped_size += entry->size;
    return true;
}

static bool append_target(void *context, struct slice piece, struct error *err) {
    struct buffer *target = context;
    return buffer_append(target, piece) || buffer_check(target, "the symlink's target", err);
}

static bool add_link(struct inspector *inspector, const struct reader_entry *entry,
                     struct error *err) {
    if (entry->size > ENTRY_NAME_MAX) {
        return error_set(err, "link", "%s: the symlink is too long", entry->name);
    }
    cleanup_buffer struct buffer target = BUFFER_INIT(ENTRY_NAME_MAX + 1);
    return reader_read(inspector->reader, entry, append_target, &target, err) &&
           tree_add_link(&inspector->tree, slice_text(entry->name), entry->name,
                         buffer_slice(&target), err);
}

static bool add_entry(struct inspector *inspector, uint64_t index, struct error *err) {
    struct reader_entry entry;
    if (!reader_look(inspector->reader, index, &entry, err) ||
        !count_size(inspector, &entry, err)) {
        return false;
    }
    const struct slice name = slice_text(entry.name);
    const struct stat found = {.st_size = (off_t)entry.size};
    switch (entry.mode & S_IFMT) {
    case S_IFDIR:
        return tree_add_folder(&inspector->tree, slice_make(name.data, name.len - 1), entry.name,
                               err);
    case S_IFLNK:
        return add_link(inspector, &entry, err);
    case S_IFREG:
        return tree_add_file(&inspector->tree, name, entry.name, -1, &found, false, err);
    default:
        return error_set(err, "kind", "%s: is a device file or the like", entry.name);
    }
}

static bool check_contents(const struct reader *reader, struct error *err) {
    for (uint64_t i = 0; i < reader->count; i++) {
        struct reader_entry entry;
        if (!reader_look(reader, i, &entry, err) || !reader_read(reader, &entry, NULL, NULL, err)) {
            return false;
        }
    }
    return true;
}

static bool inspect(struct inspector *inspector, struct error *err) {
    for (uint64_t i = 0; i < inspector->reader->count; i++) {
        if (!add_entry(inspector, i, err)) {
            return false;
        }
    }
    inspector->result->entries = inspector->reader->count;
    return tree_finish(&inspector->tree, err) && links_check(&inspector->tree, err);
}

bool inspect_zip(const struct reader *reader, uint64_t max_unzipped, bool structure_only,
                 struct inspection *inspection, struct error *err) {
    *inspection = (struct inspection){0};
    struct inspector inspector = {
        .reader = reader, .max_unzipped = max_unzipped, .result = inspection};
    const bool good = inspect(&inspector, err) && (structure_only || check_contents(reader, err));
    tree_clean_up(&inspector.tree);
    return good;
}
