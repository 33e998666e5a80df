// SPDX-License-Identifier: Apache-2.0
/// Compresses the files of a tree on several threads, a bounded way ahead of whoever takes the
/// result, in the order of the tree. What comes out depends on the content and the level alone.
#pragma once

#include "layer-packer/tree.h"

/// What one file became. `crc` is that of the whole file, once its last piece was taken.
struct compress_piece {
    const unsigned char *data;
    size_t length;
};

struct compressor;

/// Starts `threads` threads. The tree is borrowed until the compressor is destroyed. NULL where no
/// thread can be started.
struct compressor *compressor_start(const struct tree *tree, int level, unsigned threads,
                                    struct error *err);
/// Ends its threads, wherever they are; NULL is fine.
void compressor_destroy(struct compressor *compressor);

/// Tells whether the entry's content is deflated, or kept as it is because it is so small.
bool compress_is_deflated(const struct entry *entry);

/// Waits for the next piece of the file at `index` of the tree, which must be the file taken from
/// last or the next file after it. The piece is valid until the next call. At the end of the file
/// its length is 0 and `*crc` is set.
bool compressor_next(struct compressor *compressor, size_t index, struct compress_piece *piece,
                     uint32_t *crc, struct error *err);
