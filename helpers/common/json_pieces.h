// SPDX-License-Identifier: Apache-2.0
/// Reading a large JSON text a piece at a time, without a tree of the whole: memory does not grow
/// with it. A text that was cut, or is broken further on, can be read up to there.
///
/// What a piece says is for json_parse(), which may refuse one and take the next.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/slice.h"

/// As deep as Go's encoding/json reads, which is what gitlab-runner does.
enum { JSON_PIECES_MAX_DEPTH = 10000 };

/// A walk over the members of an object or the elements of an array: `{.text = text}` begins it.
struct json_pieces {
    struct slice text;
    /// How much of it has been walked over.
    size_t at;
    /// The object or array was read to its end, and `at` is behind it.
    bool ended;
    /// It is neither, or not JSON from about `at` on.
    bool broken;
    bool is_object;
};

/// One of them, as it stands in the text.
struct json_piece {
    /// Between the quotes, escapes and all; empty for an element.
    struct slice name;
    struct slice value;
};

/// The next one; false at the end, `ended` or `broken`. Strings may hold any bytes and escapes.
bool json_pieces_next(struct json_pieces *pieces, struct json_piece *piece);
