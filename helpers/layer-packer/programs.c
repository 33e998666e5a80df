// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/programs.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/links.h"
#include "layer-packer/provided.h"
#include "layer-packer/source.h"

/// A file or link that can be asked for by its base name.
struct library {
    const char *name;
    const struct entry *entry;
};

struct programs {
    const struct tree *tree;
    /// One for each entry of the tree.
    struct elf *elves;
    /// The entry's needs are seen to, or are being so.
    bool *seen;
    /// Sorted by name.
    struct library *libraries;
    size_t library_count;
};

static void programs_clean_up(struct programs *programs) {
    for (size_t i = 0; i < programs->tree->count; i++) {
        elf_clean_up(&programs->elves[i]);
    }
    free(programs->elves);
    free(programs->seen);
    free(programs->libraries);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int compare_libraries(const void *left, const void *right) {
    const struct library *a = left;
    const struct library *b = right;
    return strcmp(a->name, b->name);
}

/// Opens every file.
static bool read_files(struct programs *programs, enum arch arch, struct error *err) {
    for (size_t i = 0; i < programs->tree->count; i++) {
        const struct entry *entry = &programs->tree->entries[i];
        if (entry->kind != ENTRY_FILE) {
            continue;
        }
        const int fd = source_open(entry, err);
        if (fd < 0) {
            return false;
        }
        struct elf *elf = &programs->elves[i];
        elf_read(fd, elf);
        source_close(entry, fd);
        if (elf->is_elf && arch != ARCH_NONE && elf->arch != arch) {
            return error_set(err, "arch", "%s: is an ELF file for %s, not for %s", entry->name,
                             elf_machine_name(elf), arch_name(arch));
        }
    }
    return true;
}

static void index_libraries(struct programs *programs) {
    const struct tree *tree = programs->tree;
    programs->libraries = xcalloc(tree->count + 1, sizeof(*programs->libraries));
    for (size_t i = 0; i < tree->count; i++) {
        const struct entry *entry = &tree->entries[i];
        const char *name = base_name(entry->name);
        if (entry->kind == ENTRY_FOLDER) {
            continue;
        }
        const struct entry *file = links_find_file(tree, slice_text(entry->name));
        if (file && programs->elves[file - tree->entries].is_elf) {
            programs->libraries[programs->library_count++] =
                (struct library){.name = name, .entry = file};
        }
    }
    if (programs->library_count > 1) {
        qsort(programs->libraries, programs->library_count, sizeof(*programs->libraries),
              compare_libraries);
    }
}

static const struct entry *find_library(const struct programs *programs, const char *name) {
    const struct library key = {.name = name};
    const struct library *found = programs->library_count == 0
                                      ? NULL
                                      : bsearch(&key, programs->libraries, programs->library_count,
                                                sizeof(*programs->libraries), compare_libraries);
    return found ? found->entry : NULL;
}

/// Looks at the needs of one file, and of the layer's libraries that it needs.
static bool check_needs(struct programs *programs, const struct entry *entry,
                        const struct entry *program, struct error *err) {
    const size_t index = (size_t)(entry - programs->tree->entries);
    const struct elf *elf = &programs->elves[index];
    if (programs->seen[index]) {
        return true;
    }
    programs->seen[index] = true;
    for (size_t i = 0; i < elf->needed_count; i++) {
        const char *name = base_name(elf->needed[i]);
        const struct entry *library = find_library(programs, name);
        if (library) {
            if (!check_needs(programs, library, program, err)) {
                return false;
            }
        } else if (!provided_has_library(elf->arch, name)) {
            return entry == program
                       ? error_set(err, "library",
                                   "%s: needs %s, which neither the layer nor provided.al2023 has",
                                   entry->name, name)
                       : error_set(err, "library",
                                   "%s: needs %s for %s, which neither the layer nor "
                                   "provided.al2023 has",
                                   program->name, name, entry->name);
        }
    }
    return true;
}

/// Layers are unpacked below /opt.
static bool has_interpreter(const struct programs *programs, const struct elf *elf) {
    const struct slice path = slice_text(elf->interpreter);
    const struct slice opt = SLICE("/opt/");
    return provided_has_interpreter(elf->arch, elf->interpreter) ||
           (slice_starts_with(path, opt) &&
            links_find_file(programs->tree, slice_skip(path, opt.len)));
}

static bool check_program(struct programs *programs, size_t index, struct error *err) {
    const struct entry *entry = &programs->tree->entries[index];
    const struct elf *elf = &programs->elves[index];
    if (entry->kind != ENTRY_FILE || !entry->executable || !elf->is_program ||
        elf->arch == ARCH_NONE) {
        return true;
    }
    if (elf->interpreter && !has_interpreter(programs, elf)) {
        return error_set(err, "library",
                         "%s: needs %s, which neither the layer nor provided.al2023 has",
                         entry->name, elf->interpreter);
    }
    return check_needs(programs, entry, entry, err);
}

bool programs_check(const struct tree *tree, enum arch arch, struct error *err) {
    __attribute__((cleanup(programs_clean_up))) struct programs programs = {
        .tree = tree,
        .elves = xcalloc(tree->count + 1, sizeof(*programs.elves)),
        .seen = xcalloc(tree->count + 1, sizeof(*programs.seen)),
    };
    if (!read_files(&programs, arch, err)) {
        return false;
    }
    index_libraries(&programs);
    for (size_t i = 0; i < tree->count; i++) {
        if (!check_program(&programs, i, err)) {
            return false;
        }
    }
    return true;
}
