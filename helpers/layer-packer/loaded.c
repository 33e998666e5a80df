// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/loaded.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/// The object is none of this program where the round is another one.
struct name {
    const char *text;
    uint64_t round;
    const struct object *object;
};

struct loaded {
    /// Sorted: all that is needed, and all names of libraries.
    struct name *names;
    size_t name_count;
    /// Owned.
    struct object *first;
    struct object *last;
    uint64_t round;
};

// --- Names ---------------------------------------------------------------------------------------

static int compare_names(const void *left, const void *right) {
    return strcmp(((const struct name *)left)->text, ((const struct name *)right)->text);
}

static size_t count_names(const struct elf_dynamic *dynamic) {
    return dynamic->needed_count + dynamic->version_count + (dynamic->soname ? 1 : 0);
}

static void add_names(struct loaded *loaded, const struct elf_dynamic *dynamic) {
    for (size_t i = 0; i < dynamic->needed_count; i++) {
        loaded->names[loaded->name_count++].text = dynamic->needed[i];
    }
    for (size_t i = 0; i < dynamic->version_count; i++) {
        loaded->names[loaded->name_count++].text = dynamic->versions[i].file;
    }
    if (dynamic->soname) {
        loaded->names[loaded->name_count++].text = dynamic->soname;
    }
}

static void drop_double_names(struct loaded *loaded) {
    size_t kept = 0;
    for (size_t i = 0; i < loaded->name_count; i++) {
        if (kept == 0 || compare_names(&loaded->names[kept - 1], &loaded->names[i]) != 0) {
            loaded->names[kept++] = loaded->names[i];
        }
    }
    loaded->name_count = kept;
}

static void index_names(struct loaded *loaded, const struct contents *contents) {
    const struct tree *tree = contents->tree;
    size_t count = 0;
    for (size_t i = 0; i < tree->count; i++) {
        count += count_names(contents_dynamic(contents, &tree->entries[i]));
    }
    loaded->names = xcalloc(count + 1, sizeof(*loaded->names));
    for (size_t i = 0; i < tree->count; i++) {
        add_names(loaded, contents_dynamic(contents, &tree->entries[i]));
    }
    qsort(loaded->names, loaded->name_count, sizeof(*loaded->names), compare_names);
    drop_double_names(loaded);
}

static struct name *find_name(const struct loaded *loaded, const char *text) {
    const struct name key = {.text = text};
    return bsearch(&key, loaded->names, loaded->name_count, sizeof(*loaded->names), compare_names);
}

const struct object *loaded_as(const struct loaded *loaded, const char *name) {
    const struct name *found = find_name(loaded, name);
    return found && found->round == loaded->round ? found->object : NULL;
}

void loaded_name(struct loaded *loaded, const char *name, const struct object *object) {
    struct name *found = find_name(loaded, name);
    if (found && found->round != loaded->round) {
        found->round = loaded->round;
        found->object = object;
    }
}

// --- Objects -------------------------------------------------------------------------------------

const struct object *loaded_add(struct loaded *loaded, struct object object) {
    struct object *added = xmalloc(sizeof(*added));
    *added = object;
    added->next = NULL;
    *(loaded->last ? &loaded->last->next : &loaded->first) = added;
    loaded->last = added;
    return added;
}

const struct object *loaded_first(const struct loaded *loaded) {
    return loaded->first;
}

void loaded_clear(struct loaded *loaded) {
    while (loaded->first) {
        struct object *object = loaded->first;
        loaded->first = object->next;
        free(object->folder);
        free(object);
    }
    loaded->last = NULL;
    loaded->round++;
}

struct loaded *loaded_new(const struct contents *contents) {
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    // A name of round 0 is none's.
    loaded->round = 1;
    index_names(loaded, contents);
    return loaded;
}

void loaded_destroy(struct loaded *loaded) {
    loaded_clear(loaded);
    free(loaded->names);
    free(loaded);
}
