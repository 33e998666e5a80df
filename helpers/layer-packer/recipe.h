// SPDX-License-Identifier: Apache-2.0
/// layer.json: what a layer is made of.
#pragma once

#include <stddef.h>
#include <sys/stat.h>

#include "common/error.h"
#include "layer-packer/collect.h"
#include "layer-packer/elf.h"
#include "layer-packer/tree.h"

/// One element of `files`, with its placeholders replaced. One of `source`, `link`, `url` is set.
struct recipe_file {
    char *path;
    /// Of a file; only where `has_mode`.
    mode_t mode;
    bool has_mode;
    /// A file or folder of this tree, with the recipe's folder in front.
    char *source;
    /// A symlink's target.
    char *link;
    char *url;
    /// In lower case.
    char *sha256;
    /// A file in the zip at `url`, or NULL.
    char *member;
};

struct recipe {
    char *name;
    char *version;
    /// What it was read for; ARCH_NONE where nothing in it depends on that.
    enum arch arch;
    struct recipe_file *files;
    size_t count;
};
#define cleanup_recipe __attribute__((cleanup(recipe_clean_up)))

/// Reads the file `path` for `arch`; for ARCH_NONE it is the recipe's only one, if it has only one.
/// Fails with the code "usage" where it must be told which.
bool recipe_read(const char *path, enum arch arch, struct recipe *recipe, struct error *err);
/// The same for its text; what is in `folder` is found there. `name` is for messages.
bool recipe_parse(struct slice text, const char *name, const char *folder, enum arch arch,
                  struct recipe *recipe, struct error *err);
void recipe_clean_up(struct recipe *recipe);
/// The architectures that the recipe names (both where it names none), as a set of 1 << arch.
bool recipe_architectures(const char *path, unsigned *set, struct error *err);

/// Puts its files into the tree; downloads what the cache lacks. A member of a zip may have
/// `max_size` bytes.
bool recipe_collect(const struct recipe *recipe, struct tree *tree,
                    const struct collect_output *output, uint64_t max_size, struct error *err);
/// Downloads what the cache lacks.
bool recipe_fetch(const struct recipe *recipe, size_t *downloads, struct error *err);
