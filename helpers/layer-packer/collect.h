// SPDX-License-Identifier: Apache-2.0
/// Files and folders of this machine, as entries of a tree.
#pragma once

#include "layer-packer/tree.h"

/// The zip that is being written: where it already lies in a packed folder, it is left out.
struct collect_output {
    dev_t device;
    ino_t folder;
    /// Its base name; NULL: there is none to leave out.
    const char *name;
};

/// Finds out where `output` lies; `into->name` borrows from it.
bool collect_find_output(const char *output, struct collect_output *into, struct error *err);

/// Adds a SOURCE of the command line: a folder's content, or a file by its base name.
bool collect_source(struct tree *tree, const char *source, const struct collect_output *output,
                    struct error *err);

/// Adds the file `path` as `name`, or the content of the folder `path` below `name` ("": the root).
/// A symlink as `path` itself is followed. `mode` is the recipe's, of a file, or NULL.
bool collect_path(struct tree *tree, struct slice name, const char *path,
                  const struct collect_output *output, const mode_t *mode, struct error *err);
