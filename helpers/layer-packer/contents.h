// SPDX-License-Identifier: Apache-2.0
/// What the files of a finished tree are: ELF files, scripts, or neither.
#pragma once

#include "layer-packer/elf.h"
#include "layer-packer/tree.h"

struct content {
    struct elf elf;
    /// Of what script_is() takes for a script: its first SCRIPT_HEAD bytes; else NULL. Owned.
    char *head;
    size_t head_length;
};

struct contents {
    const struct tree *tree;
    /// One for each entry of the tree.
    struct content *items;
    /// Of all that is remembered.
    size_t text_size;
};
#define cleanup_contents __attribute__((cleanup(contents_clean_up)))

/// How the files of a tree are opened for reading at any place; -1 with `err` set. All that is
/// opened is closed.
struct contents_access {
    int (*open)(void *context, const struct entry *entry, struct error *err);
    void (*close)(void *context, const struct entry *entry, int fd);
    void *context;
};
/// Of a tree whose files source_open() opens.
extern const struct contents_access contents_on_disk;

/// Opens every file, which proves that it can be read. Refuses more than memory is meant for.
bool contents_read(struct contents *contents, const struct tree *tree,
                   const struct contents_access *access, struct error *err);
void contents_clean_up(struct contents *contents);

/// What the entry of the tree is.
const struct content *contents_of(const struct contents *contents, const struct entry *entry);
/// The head of a script; empty for what is none.
struct slice contents_head(const struct contents *contents, const struct entry *entry);
/// What the entry says to the dynamic loader; empty for what is no ELF file.
const struct elf_dynamic *contents_dynamic(const struct contents *contents,
                                           const struct entry *entry);
/// The ELF file that the path in the tree leads to, or NULL.
const struct entry *contents_find_elf(const struct contents *contents, struct slice path);
