// SPDX-License-Identifier: Apache-2.0
/// Where the symlinks of a tree lead: followed as the kernel would, but never out of the root.
/// All on a tree after tree_finish().
#pragma once

#include "common/buffer.h"
#include "layer-packer/tree.h"
#include "layer-packer/warnings.h"

enum links_result {
    /// At a path below the root, which need not exist.
    LINKS_ARRIVED,
    /// A target at another place than a zip's, or ".." at the root.
    LINKS_LEFT,
    /// More links than the kernel follows.
    LINKS_LOOP,
};

/// Follows `name` from the root to where it leads and puts that into `path`, emptied here.
enum links_result links_follow(const struct tree *tree, struct slice name, struct buffer *path);

/// The file that `name` leads to, following links as the kernel would, or NULL.
const struct entry *links_find_file(const struct tree *tree, struct slice name);

/// Tells whether the absolute path is the root or below it, which in Lambda is /opt or /var/task,
/// and cuts that off, with the slash.
bool links_below_root(struct slice *path);

/// Refuses links whose path leaves the root at any step, also by way of other links, or goes in
/// circles. One that leads to nothing is only warned of: another layer may bring what it names.
bool links_check(const struct tree *tree, struct warnings *warnings, struct error *err);
