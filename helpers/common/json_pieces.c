// SPDX-License-Identifier: Apache-2.0
#include "common/json_pieces.h"

#include <stdint.h>
#include <string.h>

#include "common/json_syntax.h"

static const struct json_bounds bounds = {
    .depth = JSON_PIECES_MAX_DEPTH,
    .values = SIZE_MAX,
    .any_bytes = true,
};

static struct slice rest_of(const struct json_pieces *pieces) {
    return slice_skip(pieces->text, pieces->at);
}

static bool give_up(struct json_pieces *pieces) {
    pieces->broken = true;
    return false;
}

static void skip_blanks(struct json_pieces *pieces) {
    const struct slice text = pieces->text;
    while (pieces->at < text.len && memchr(" \t\r\n", text.data[pieces->at], 4)) {
        pieces->at++;
    }
}

/// Past blanks, and past `byte` if it is what comes then.
static bool take(struct json_pieces *pieces, char byte) {
    skip_blanks(pieces);
    const struct slice rest = rest_of(pieces);
    const bool there = rest.len > 0 && rest.data[0] == byte;
    pieces->at += there ? 1 : 0;
    return there;
}

/// Of a number that the text ends in the rest may have been cut off.
static bool may_go_on(struct slice rest, size_t length) {
    const bool number = length > 0 && memchr("-0123456789", rest.data[0], 11);
    return number && length == rest.len;
}

static bool take_value(struct json_pieces *pieces, struct slice *value) {
    const struct slice rest = rest_of(pieces);
    const size_t length = json_value_length(rest, &bounds);
    *value = slice_make(rest.data, may_go_on(rest, length) ? 0 : length);
    pieces->at += value->len;
    return value->len > 0;
}

static bool take_name(struct json_pieces *pieces, struct slice *name) {
    struct slice quoted;
    if (take(pieces, '"')) {
        pieces->at--;
        if (take_value(pieces, &quoted) && take(pieces, ':')) {
            *name = slice_make(quoted.data + 1, quoted.len - 2);
            return true;
        }
    }
    return false;
}

static bool at_end(struct json_pieces *pieces) {
    pieces->ended = take(pieces, pieces->is_object ? '}' : ']');
    return pieces->ended;
}

/// To the first piece, or behind a comma to the next one; false where there is none.
static bool advance(struct json_pieces *pieces) {
    if (pieces->at > 0) {
        return !at_end(pieces) && (take(pieces, ',') || give_up(pieces));
    }
    pieces->is_object = take(pieces, '{');
    return (pieces->is_object || take(pieces, '[') || give_up(pieces)) && !at_end(pieces);
}

bool json_pieces_next(struct json_pieces *pieces, struct json_piece *piece) {
    *piece = (struct json_piece){0};
    if (pieces->ended || pieces->broken || !advance(pieces)) {
        return false;
    }
    if (pieces->is_object && !take_name(pieces, &piece->name)) {
        return give_up(pieces);
    }
    skip_blanks(pieces);
    return take_value(pieces, &piece->value) || give_up(pieces);
}
