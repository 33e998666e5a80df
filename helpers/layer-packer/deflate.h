// SPDX-License-Identifier: Apache-2.0
/// Raw deflate data made block by block, so that blocks of one file can be made side by side.
///
/// libdeflate ends each of its streams with a block that is marked as the final one. Where a stream
/// is not to be the last, that mark is taken away and the stream is filled up to a whole byte with
/// an empty stored block; streams that are put one behind the other are then one stream.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

enum { DEFLATE_MIN_LEVEL = 1 };
enum { DEFLATE_MAX_LEVEL = 12 };

/// Belongs to one thread.
struct deflater;

struct deflater *deflater_new(int level) __attribute__((returns_nonnull));
/// NULL is fine.
void deflater_destroy(struct deflater *deflater);

/// The room that `size` bytes may need, filling included.
size_t deflate_bound(struct deflater *deflater, size_t size);
/// Compresses `size` bytes into `out`, which has deflate_bound() bytes, and returns the length.
/// Unless `last`, another stream must follow it.
bool deflate_block(struct deflater *deflater, const void *data, size_t size, bool last,
                   unsigned char *out, size_t room, size_t *length, struct error *err);
