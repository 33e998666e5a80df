// SPDX-License-Identifier: Apache-2.0
#include "common/zip/entry_name.h"

#include <limits.h>
#include <string.h>

#include "common/encoding.h"

static bool is_utf8(struct slice text) {
    while (text.len > 0) {
        const size_t length = encoding_utf8_length(text);
        if (length == 0) {
            return false;
        }
        text = slice_skip(text, length);
    }
    return true;
}

static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        const char byte = text.data[i];
        if ((unsigned char)byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
            return true;
        }
    }
    return false;
}

static bool is_ascii(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

const char *entry_name_flaw(struct slice name) {
    if (name.len == 0) {
        return "the name is empty";
    }
    if (name.len > ENTRY_NAME_MAX) {
        return "the path is too long for Lambda";
    }
    if (name.data[0] == '/') {
        return "the path is absolute";
    }
    if (memchr(name.data, '\0', name.len)) {
        return "the name has a NUL in it";
    }
    if (!is_utf8(name)) {
        return "the name is not UTF-8";
    }
    struct slice rest = name;
    struct slice part;
    while (slice_split(&rest, '/', &part)) {
        if (part.len == 0 || slice_equal_text(part, ".")) {
            return "the path has an empty component or \".\" in it";
        }
        if (slice_equal_text(part, "..")) {
            return "the path leads out of the root (\"..\")";
        }
        if (part.len > NAME_MAX) {
            return "a component of the path is longer than 255 bytes";
        }
    }
    // libzip cannot write these.
    return has_control(name) && !is_ascii(name)
               ? "the name has both control characters and letters beyond ASCII"
               : NULL;
}
