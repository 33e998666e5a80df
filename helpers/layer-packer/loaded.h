// SPDX-License-Identifier: Apache-2.0
/// What the dynamic loader has loaded of one program: objects, and the names that they answer to.
#pragma once

#include "layer-packer/contents.h"

enum source {
    FROM_NOWHERE,
    FROM_TREE,
    FROM_IMAGE,
    /// The user says that it is there, or it is musl's loader, which is its own library.
    FROM_ELSEWHERE,
};

/// The program, or a library of it.
struct object {
    enum source source;
    /// FROM_TREE: the file, and where it was found, which is its $ORIGIN: a path in the tree.
    /// Owned.
    const struct entry *entry;
    char *folder;
    /// Who needed it, one of the tree; NULL for the program.
    const struct object *needed_by;
    /// What was loaded after it.
    struct object *next;
};

struct loaded;

/// Empty; knows all names in `contents`, which it borrows.
struct loaded *loaded_new(const struct contents *contents) __attribute__((returns_nonnull));
void loaded_destroy(struct loaded *loaded);

/// Forgets all objects: another program begins.
void loaded_clear(struct loaded *loaded);
/// Adds the object, which is taken over, behind the others, until loaded_clear().
const struct object *loaded_add(struct loaded *loaded, struct object object);
/// The program; NULL before it was added.
const struct object *loaded_first(const struct loaded *loaded);
/// From now on the object answers to the name, unless another does.
void loaded_name(struct loaded *loaded, const char *name, const struct object *object);
/// The object of that name, or NULL.
const struct object *loaded_as(const struct loaded *loaded, const char *name);
