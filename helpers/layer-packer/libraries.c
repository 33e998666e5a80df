// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/libraries.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

static int compare_libraries(const void *left, const void *right) {
    const struct library *a = left;
    const struct library *b = right;
    const int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->path, b->path);
}

void libraries_index(struct libraries *libraries, const struct contents *contents) {
    const struct tree *tree = contents->tree;
    *libraries = (struct libraries){.contents = contents,
                                    .items = xcalloc(tree->count + 1, sizeof(*libraries->items))};
    for (size_t i = 0; i < tree->count; i++) {
        const struct entry *entry = &tree->entries[i];
        const struct entry *file = entry->kind == ENTRY_FOLDER
                                       ? NULL
                                       : contents_find_elf(contents, slice_text(entry->name));
        if (file) {
            libraries->items[libraries->count++] = (struct library){
                .name = tree_base_name(entry->name), .path = entry->name, .file = file};
        }
    }
    qsort(libraries->items, libraries->count, sizeof(*libraries->items), compare_libraries);
}

void libraries_clean_up(struct libraries *libraries) {
    free(libraries->items);
    *libraries = (struct libraries){0};
}

const struct library *libraries_find(const struct libraries *libraries, const char *name) {
    size_t low = 0;
    size_t high = libraries->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(libraries->items[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool found = low < libraries->count && strcmp(libraries->items[low].name, name) == 0;
    return found ? &libraries->items[low] : NULL;
}

static const struct library *next_of(const struct libraries *libraries,
                                     const struct library *library) {
    const struct library *next = library + 1;
    const bool same =
        next < libraries->items + libraries->count && strcmp(next->name, library->name) == 0;
    return same ? next : NULL;
}

const struct library *libraries_find_version(const struct libraries *libraries,
                                             const struct elf_version *version) {
    const struct library *library = libraries_find(libraries, version->file);
    while (library && !elf_dynamic_defines(contents_dynamic(libraries->contents, library->file),
                                           version->name)) {
        library = next_of(libraries, library);
    }
    return library;
}
