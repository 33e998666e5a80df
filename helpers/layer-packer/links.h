// SPDX-License-Identifier: Apache-2.0
/// Where the symlinks of a tree lead: followed as the kernel would, but never out of the root.
#pragma once

#include "common/buffer.h"
#include "layer-packer/tree.h"

enum links_result {
    /// At a path below the root, which need not exist.
    LINKS_ARRIVED,
    /// An absolute target, or ".." at the root.
    LINKS_LEFT,
    /// More links than the kernel follows.
    LINKS_LOOP,
};

/// Follows `name` from the root to where it leads and puts that into `path`, emptied here.
enum links_result links_follow(const struct tree *tree, struct slice name, struct buffer *path);

/// Refuses a link that is absolute or whose path leaves the root at any step. One that leads
/// nowhere or in circles stays inside and is fine: another layer may bring what it names.
bool links_check(const struct tree *tree, const struct entry *link, struct error *err);
