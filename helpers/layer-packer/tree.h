// SPDX-License-Identifier: Apache-2.0
/// What goes into a zip: names and what stands behind them, before anything is compressed.
///
/// Entries are added in any order; tree_finish() sorts them, merges folders, and refuses what does
/// not fit together.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/slice.h"

enum entry_kind { ENTRY_FILE, ENTRY_LINK, ENTRY_FOLDER };

struct entry {
    enum entry_kind kind;
    /// Path in the zip, without a slash at either end.
    char *name;
    /// Where it comes from, for messages, and for a file without `fd` what is opened.
    char *origin;
    /// Of a link.
    char *target;
    /// Of a file: 0755, 0711 or 0644.
    mode_t mode;
    /// Of a file: its owner's x bit.
    bool executable;
    /// Of a file: an open file without a name, read with pread; else -1. Owned.
    int fd;
    /// Of a file: the state it was found in; content is read only from a file in that state.
    struct stat found;
};

struct tree {
    struct entry *entries;
    size_t count;
    size_t capacity;
};
#define cleanup_tree __attribute__((cleanup(tree_clean_up)))

/// Zeroed is empty.
void tree_clean_up(struct tree *tree);

/// The last part of a path. Borrowed from it.
const char *tree_base_name(const char *path);
/// The path without its last part and the slash before it. Owned by the caller.
char *tree_folder_of(const char *path);

/// Refuses what entry_name_flaw() refuses, and a backslash, by which Windows parts folders and
/// Lambda does not. `origin` is named in the message.
bool tree_check_name(struct slice name, const char *origin, struct error *err);

/// Adds a file that is at `origin`, or open as `fd` (taken over, also on failure; -1: none). Of
/// `mode` the owner's x bit counts, but for 0711, which stays: only its owner can read such a
/// program.
bool tree_add_file(struct tree *tree, struct slice name, const char *origin, int fd,
                   const struct stat *found, mode_t mode, struct error *err);
bool tree_add_link(struct tree *tree, struct slice name, const char *origin, struct slice target,
                   struct error *err);
/// A folder that turns out to have something in it gets no entry of its own.
bool tree_add_folder(struct tree *tree, struct slice name, const char *origin, struct error *err);

/// Sorts by the bytes of the names, merges folders, and refuses a name that is there twice and a
/// file or link where others need a folder. Where links lead is links_check()'s business.
bool tree_finish(struct tree *tree, struct error *err);

// After tree_finish().

/// The entry of that name, or NULL. A folder that is not empty has none.
const struct entry *tree_find(const struct tree *tree, struct slice name);
/// Tells whether there is a folder of that name, empty or not; "" is the root.
bool tree_has_folder(const struct tree *tree, struct slice name);
/// The uncompressed size of all entries: of a link its target's length, of a folder 0.
uint64_t tree_size(const struct tree *tree);
/// Refuses more than `max` bytes; the message names the largest file.
bool tree_check_size(const struct tree *tree, uint64_t max, struct error *err);
