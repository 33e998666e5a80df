// SPDX-License-Identifier: Apache-2.0
// Pieces of JSON: they are those of a whole text, and of a text that was cut the first of them.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/json_pieces.h"
#include "common/json_syntax.h"

enum { LEVELS = 20 };

static bool is_json(struct slice text) {
    static const struct json_bounds bounds = {
        .depth = JSON_PIECES_MAX_DEPTH, .values = SIZE_MAX, .any_bytes = true};
    return json_scan(text, &bounds).fault == JSON_GOOD;
}

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

/// Whether all of it was walked over; each piece is JSON by itself, and stands where it should.
static bool walk(struct slice text, int levels) {
    struct json_pieces pieces = {.text = text};
    struct json_piece piece;
    size_t at = 0;
    while (json_pieces_next(&pieces, &piece)) {
        check(is_json(piece.value) && piece.value.data >= text.data + at);
        check(piece.value.data + piece.value.len == text.data + pieces.at);
        check(pieces.is_object || piece.name.len == 0);
        at = pieces.at;
        if (levels > 0 && (piece.value.data[0] == '{' || piece.value.data[0] == '[')) {
            check(walk(piece.value, levels - 1));
        }
    }
    check(pieces.ended != pieces.broken && pieces.at <= text.len);
    check(pieces.broken || text.len > JSON_PIECES_MAX_DEPTH ||
          is_json(slice_make(text.data, pieces.at)));
    return pieces.ended;
}

/// The pieces of a text that was cut are those of the whole.
static void walk_both(struct slice text, size_t cut) {
    struct json_pieces whole = {.text = text};
    struct json_pieces part = {.text = slice_make(text.data, cut)};
    struct json_piece piece;
    struct json_piece same;
    while (json_pieces_next(&part, &piece)) {
        check(json_pieces_next(&whole, &same) && slice_equal(piece.name, same.name) &&
              slice_equal(piece.value, same.value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice text = slice_make(data, size);
    const bool walked = walk(text, LEVELS);
    if (size < JSON_PIECES_MAX_DEPTH && is_json(text)) {
        const size_t blanks = strspn(text.data, " \t\r\n");
        const char first = text.data[blanks];
        check(walked == (first == '{' || first == '['));
    }
    for (size_t cut = 0; size < 64 && cut <= size; cut++) {
        walk_both(text, cut);
    }
    walk_both(text, size / 2);
    return 0;
}
