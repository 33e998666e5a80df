// SPDX-License-Identifier: Apache-2.0
/// A tree as a zip whose bytes depend on names, content, x bits and level alone.
#pragma once

#include "layer-packer/tree.h"

struct archive_settings {
    /// Of libdeflate, 1 to 12.
    int level;
    unsigned threads;
};

/// Writes the finished tree to the empty file `fd`, called `path` in messages. Refuses a tree
/// without entries.
bool archive_write(const struct tree *tree, const struct archive_settings *settings, int fd,
                   const char *path, struct error *err);
