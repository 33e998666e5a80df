// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/tree.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/zip/entry_name.h"

static void entry_clean_up(struct entry *entry) {
    free(entry->name);
    free(entry->origin);
    free(entry->target);
    cleanup_closep(&entry->fd);
}

void tree_clean_up(struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        entry_clean_up(&tree->entries[i]);
    }
    free(tree->entries);
    *tree = (struct tree){0};
}

// --- Entries ----------------------------------------------------------------------------------

const char *tree_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *tree_folder_of(const char *path) {
    const size_t length = (size_t)(tree_base_name(path) - path);
    return slice_copy(slice_make(path, length > 0 ? length - 1 : 0));
}

static const char *flaw_of(struct slice name) {
    const char *flaw = entry_name_flaw(name);
    if (!flaw && slice_find(name, '\\') < name.len) {
        return "the name has a backslash in it, which Lambda takes for a letter and not for the "
               "end "
               "of a folder's name: write / (some programs for Windows do not)";
    }
    return flaw;
}

bool tree_check_name(struct slice name, const char *origin, struct error *err) {
    const char *flaw = flaw_of(name);
    if (!flaw) {
        return true;
    }
    cleanup_buffer struct buffer printed = BUFFER_INIT(8 * (size_t)ENTRY_NAME_MAX);
    const struct slice shown = name.len > 200 ? slice_make(name.data, 200) : name;
    (void)encoding_append_valid_utf8(&printed, shown);
    if (slice_equal_text(name, origin)) {
        return error_set(err, "name", "%s: %s", buffer_text(&printed), flaw);
    }
    return error_set(err, "name", "%s (%s): %s", buffer_text(&printed), origin, flaw);
}

static struct entry *add(struct tree *tree, enum entry_kind kind, struct slice name,
                         const char *origin) {
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity > 0 ? 2 * tree->capacity : 64;
        tree->entries = xreallocarray(tree->entries, tree->capacity, sizeof(*tree->entries));
    }
    struct entry *entry = &tree->entries[tree->count++];
    *entry =
        (struct entry){.kind = kind, .name = slice_copy(name), .origin = xstrdup(origin), .fd = -1};
    return entry;
}

static mode_t zip_mode(mode_t mode) {
    const bool unreadable = (mode & 0777) == 0711;
    return unreadable ? 0711 : (mode & S_IXUSR) != 0 ? 0755 : 0644;
}

bool tree_add_file(struct tree *tree, struct slice name, const char *origin, int fd,
                   const struct stat *found, mode_t mode, struct error *err) {
    cleanup_close int owned = fd;
    if (!tree_check_name(name, origin, err)) {
        return false;
    }
    struct entry *entry = add(tree, ENTRY_FILE, name, origin);
    entry->fd = steal_fd(&owned);
    entry->found = *found;
    entry->mode = zip_mode(mode);
    entry->executable = (mode & S_IXUSR) != 0;
    return true;
}

bool tree_add_link(struct tree *tree, struct slice name, const char *origin, struct slice target,
                   struct error *err) {
    if (!tree_check_name(name, origin, err)) {
        return false;
    }
    if (target.len == 0 || target.len > ENTRY_NAME_MAX || memchr(target.data, '\0', target.len)) {
        return error_set(err, "link", "%s: the link's target is empty, too long or has a NUL in it",
                         origin);
    }
    add(tree, ENTRY_LINK, name, origin)->target = slice_copy(target);
    return true;
}

bool tree_add_folder(struct tree *tree, struct slice name, const char *origin, struct error *err) {
    if (!tree_check_name(name, origin, err)) {
        return false;
    }
    (void)add(tree, ENTRY_FOLDER, name, origin);
    return true;
}

// --- Order ------------------------------------------------------------------------------------

static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left;
    const struct entry *b = right;
    const int order = slice_compare(slice_text(a->name), slice_text(b->name));
    // Equal names are told apart only so that messages do not depend on the order of adding.
    return order != 0 ? order : strcmp(a->origin, b->origin);
}

static int compare_name(const void *key, const void *element) {
    const struct slice *name = key;
    const struct entry *entry = element;
    return slice_compare(*name, slice_text(entry->name));
}

static struct entry *find(const struct tree *tree, struct slice name) {
    return tree->count == 0
               ? NULL
               : bsearch(&name, tree->entries, tree->count, sizeof(*tree->entries), compare_name);
}

/// Folds equal names: folders become one, all else is a mistake.
static bool merge(struct tree *tree, struct error *err) {
    size_t kept = 0;
    for (size_t i = 0; i < tree->count; i++) {
        struct entry *entry = &tree->entries[i];
        struct entry *last = kept > 0 ? &tree->entries[kept - 1] : NULL;
        if (!last || strcmp(last->name, entry->name) != 0) {
            tree->entries[kept++] = *entry;
            if (kept - 1 != i) {
                *entry = (struct entry){.fd = -1};
            }
            continue;
        }
        if (last->kind != ENTRY_FOLDER || entry->kind != ENTRY_FOLDER) {
            return error_set(err, "twice", "%s: named twice: %s and %s", entry->name, last->origin,
                             entry->origin);
        }
        entry_clean_up(entry);
        *entry = (struct entry){.fd = -1};
    }
    tree->count = kept;
    return true;
}

/// Drops the folders that have something in them.
static bool drop_full_folders(struct tree *tree, struct error *err) {
    cleanup_free bool *full = xcalloc(tree->count + 1, sizeof(*full));
    for (size_t i = 0; i < tree->count; i++) {
        const struct entry *entry = &tree->entries[i];
        for (const char *slash = strchr(entry->name, '/'); slash; slash = strchr(slash + 1, '/')) {
            const struct entry *parent =
                find(tree, slice_make(entry->name, (size_t)(slash - entry->name)));
            if (parent && parent->kind != ENTRY_FOLDER) {
                return error_set(
                    err, "twice",
                    "%s: must be a folder, as %s lies below it, but %s is a file or symlink",
                    parent->name, entry->origin, parent->origin);
            }
            if (parent) {
                full[parent - tree->entries] = true;
            }
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < tree->count; i++) {
        if (full[i]) {
            entry_clean_up(&tree->entries[i]);
        } else {
            tree->entries[kept++] = tree->entries[i];
        }
    }
    tree->count = kept;
    return true;
}

bool tree_finish(struct tree *tree, struct error *err) {
    if (tree->count > 1) {
        qsort(tree->entries, tree->count, sizeof(*tree->entries), compare_entries);
    }
    return merge(tree, err) && drop_full_folders(tree, err);
}

// --- Queries ----------------------------------------------------------------------------------

const struct entry *tree_find(const struct tree *tree, struct slice name) {
    return find(tree, name);
}

bool tree_has_folder(const struct tree *tree, struct slice name) {
    size_t low = 0;
    size_t high = tree->count;
    // The first entry behind `name` and a slash, in which all below the folder begin.
    cleanup_free char *inside = xasprintf("%" SLICE_FORMAT "/", SLICE_ARGUMENTS(name));
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(tree->entries[middle].name, inside) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct entry *entry = find(tree, name);
    return name.len == 0 || (entry && entry->kind == ENTRY_FOLDER) ||
           (low < tree->count &&
            slice_starts_with(slice_text(tree->entries[low].name), slice_text(inside)));
}

static uint64_t size_of(const struct entry *entry) {
    switch (entry->kind) {
    case ENTRY_FILE:
        return (uint64_t)entry->found.st_size;
    case ENTRY_LINK:
        return strlen(entry->target);
    case ENTRY_FOLDER:
        break;
    }
    return 0;
}

uint64_t tree_size(const struct tree *tree) {
    uint64_t size = 0;
    for (size_t i = 0; i < tree->count; i++) {
        size += size_of(&tree->entries[i]);
    }
    return size;
}

bool tree_check_size(const struct tree *tree, uint64_t max, struct error *err) {
    const uint64_t size = tree_size(tree);
    if (size <= max) {
        return true;
    }
    const struct entry *largest = &tree->entries[0];
    for (size_t i = 1; i < tree->count; i++) {
        if (size_of(&tree->entries[i]) > size_of(largest)) {
            largest = &tree->entries[i];
        }
    }
    return error_set(err, "too_large",
                     "%llu bytes unzipped, which is more than %llu; the largest file is %s with "
                     "%llu bytes (for what is not a layer: --max-unzipped-size)",
                     (unsigned long long)size, (unsigned long long)max, largest->name,
                     (unsigned long long)size_of(largest));
}
