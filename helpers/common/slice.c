// SPDX-License-Identifier: Apache-2.0
#include "common/slice.h"

#include <limits.h>

#include "common/alloc.h"
#include "common/byte.h"

struct slice slice_text(const char *text) {
    return slice_make(text, text ? strlen(text) : 0);
}

int slice_print_length(struct slice slice) {
    return slice.len > INT_MAX ? INT_MAX : (int)slice.len;
}

bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_equal_text(struct slice a, const char *text) {
    return slice_equal(a, slice_text(text));
}

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

bool slice_equal_ignoring_case(struct slice a, struct slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

int slice_compare(struct slice a, struct slice b) {
    const size_t shorter = a.len < b.len ? a.len : b.len;
    const int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool slice_starts_with(struct slice slice, struct slice prefix) {
    return slice.len >= prefix.len && slice_equal(slice_make(slice.data, prefix.len), prefix);
}

bool slice_ends_with(struct slice slice, struct slice suffix) {
    return slice.len >= suffix.len &&
           slice_equal(slice_skip(slice, slice.len - suffix.len), suffix);
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct slice slice_trim(struct slice slice) {
    while (slice.len > 0 && is_blank(slice.data[0])) {
        slice = slice_skip(slice, 1);
    }
    while (slice.len > 0 && is_blank(slice.data[slice.len - 1])) {
        slice.len--;
    }
    return slice;
}

struct slice slice_skip(struct slice slice, size_t count) {
    if (!slice.data) {
        return slice;
    }
    const size_t skipped = count < slice.len ? count : slice.len;
    return slice_make(slice.data + skipped, slice.len - skipped);
}

bool slice_is_word(struct slice slice, const char *more) {
    for (size_t i = 0; i < slice.len; i++) {
        const char c = slice.data[i];
        const bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || !strchr(more, c))) {
            return false;
        }
    }
    return true;
}

bool slice_is_visible(struct slice slice) {
    for (size_t i = 0; i < slice.len; i++) {
        if (!byte_is_visible(slice.data[i])) {
            return false;
        }
    }
    return true;
}

bool slice_has_control(struct slice slice) {
    for (size_t i = 0; i < slice.len; i++) {
        if (byte_is_control(slice.data[i])) {
            return true;
        }
    }
    return false;
}

size_t slice_find(struct slice slice, char byte) {
    const char *found = slice.len > 0 ? memchr(slice.data, byte, slice.len) : NULL;
    return found ? (size_t)(found - slice.data) : slice.len;
}

bool slice_split(struct slice *rest, char separator, struct slice *part) {
    // What is left after the last separator is a part too, even if it is empty. So "nothing is
    // left" is not the empty slice but the one that points nowhere.
    if (!rest->data) {
        return false;
    }
    const size_t end = slice_find(*rest, separator);
    *part = slice_make(rest->data, end);
    *rest = end < rest->len ? slice_skip(*rest, end + 1) : (struct slice){0};
    return true;
}

bool slice_parse_integer(struct slice slice, int64_t *value) {
    const bool negative = slice.len > 0 && slice.data[0] == '-';
    if (negative) {
        slice = slice_skip(slice, 1);
    }
    if (slice.len == 0) {
        return false;
    }
    int64_t number = 0;
    for (size_t i = 0; i < slice.len; i++) {
        const int digit = slice.data[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, negative ? -digit : digit, &number)) {
            return false;
        }
    }
    *value = number;
    return true;
}

char *slice_copy(struct slice slice) {
    char *copy = xmalloc(slice.len + 1);
    if (slice.len > 0) {
        memcpy(copy, slice.data, slice.len);
    }
    copy[slice.len] = '\0';
    return copy;
}
