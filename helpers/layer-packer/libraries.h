// SPDX-License-Identifier: Apache-2.0
/// The ELF files of a tree by their base names, wherever they are.
#pragma once

#include "layer-packer/contents.h"

/// A file, or a link that leads to one.
struct library {
    const char *name;
    const char *path;
    const struct entry *file;
};

struct libraries {
    const struct contents *contents;
    /// Sorted by name, then by path. Owned.
    struct library *items;
    size_t count;
};

void libraries_index(struct libraries *libraries, const struct contents *contents);
void libraries_clean_up(struct libraries *libraries);

/// The first of that name, or NULL.
const struct library *libraries_find(const struct libraries *libraries, const char *name);
/// The first of the file's name that has the version, or NULL.
const struct library *libraries_find_version(const struct libraries *libraries,
                                             const struct elf_version *version);
