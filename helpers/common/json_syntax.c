// SPDX-License-Identifier: Apache-2.0
#include "common/json_syntax.h"

#include <string.h>

#include "common/array.h"
#include "common/buffer.h"
#include "common/encoding.h"

/// What may come next, blanks aside.
enum expected {
    VALUE,
    VALUE_OR_END,
    KEY,
    KEY_OR_END,
    COLON,
    COMMA_OR_END,
    NOTHING,
};

struct scanner {
    const struct json_bounds *bounds;
    struct slice rest;
    enum json_fault fault;
    /// Of cJSON's nodes, but for the first: each begins after one of ",[{".
    size_t values;
    /// A bit for each open level: set for an object, clear for an array.
    struct buffer *levels;
    size_t depth;
};

// --- Levels ------------------------------------------------------------------------------------

static bool is_object(const struct scanner *scanner) {
    size_t level = scanner->depth - 1;
    return ((unsigned char)scanner->levels->data[level / 8] >> (level % 8)) & 1;
}

static bool fail(struct scanner *scanner, enum json_fault fault) {
    scanner->fault = fault;
    return false;
}

static bool count_value(struct scanner *scanner) {
    return ++scanner->values <= scanner->bounds->values || fail(scanner, JSON_TOO_MANY);
}

static bool open_level(struct scanner *scanner, bool object) {
    if (scanner->depth >= scanner->bounds->depth) {
        return fail(scanner, JSON_TOO_DEEP);
    }
    if (!count_value(scanner)) {
        return false;
    }
    size_t level = scanner->depth++;
    if (level / 8 == scanner->levels->len && !buffer_append_byte(scanner->levels, 0)) {
        return false;
    }
    char *byte = &scanner->levels->data[level / 8];
    unsigned bit = 1U << (level % 8);
    *byte = (char)(object ? (unsigned char)*byte | bit : (unsigned char)*byte & ~bit);
    return true;
}

// --- Words ---------------------------------------------------------------------------------------

static bool next_is(const struct scanner *scanner, const char *set) {
    char byte = scanner->rest.len > 0 ? scanner->rest.data[0] : '\0';
    return byte != '\0' && strchr(set, byte);
}

static void skip(struct scanner *scanner, size_t count) {
    scanner->rest = slice_skip(scanner->rest, count);
}

static bool take(struct scanner *scanner, const char *set) {
    bool there = next_is(scanner, set);
    if (there) {
        skip(scanner, 1);
    }
    return there;
}

/// At least one, at most `most` of the set.
static bool take_all(struct scanner *scanner, const char *set, size_t most) {
    size_t count = 0;
    while (count < most && take(scanner, set)) {
        count++;
    }
    return count > 0;
}

#define DIGITS "0123456789"

static bool take_number(struct scanner *scanner) {
    (void)take(scanner, "-");
    if (!take(scanner, "0") && !take_all(scanner, DIGITS, SIZE_MAX)) {
        return false;
    }
    if (take(scanner, ".") && !take_all(scanner, DIGITS, SIZE_MAX)) {
        return false;
    }
    if (!take(scanner, "eE")) {
        return true;
    }
    (void)take(scanner, "+-");
    return take_all(scanner, DIGITS, SIZE_MAX);
}

static bool take_escape(struct scanner *scanner) {
    if (scanner->bounds->c_strings && slice_starts_with(scanner->rest, SLICE("u0000"))) {
        return fail(scanner, JSON_NUL);
    }
    if (!take(scanner, "u")) {
        return take(scanner, "\"\\/bfnrt");
    }
    for (int i = 0; i < 4; i++) {
        if (!take(scanner, DIGITS "abcdefABCDEF")) {
            return false;
        }
    }
    return true;
}

static bool is_plain(char byte) {
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/// At least one character of a string, neither quote nor backslash.
static bool take_characters(struct scanner *scanner) {
    size_t count = 0;
    while (count < scanner->rest.len && is_plain(scanner->rest.data[count])) {
        count++;
    }
    if (count == 0 && scanner->rest.len > 0) {
        if ((unsigned char)scanner->rest.data[0] < ' ') {
            return fail(scanner, JSON_CONTROL_IN_STRING);
        }
        count = scanner->bounds->any_bytes ? 1 : encoding_utf8_length(scanner->rest);
    }
    skip(scanner, count);
    return count > 0;
}

static bool take_string(struct scanner *scanner) {
    if (!take(scanner, "\"")) {
        return false;
    }
    while (!take(scanner, "\"")) {
        if (take(scanner, "\\")) {
            if (!take_escape(scanner)) {
                return false;
            }
            continue;
        }
        if (!take_characters(scanner)) {
            return false;
        }
    }
    return true;
}

static bool take_literal(struct scanner *scanner) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (slice_starts_with(scanner->rest, slice_text(words[i]))) {
            skip(scanner, strlen(words[i]));
            return true;
        }
    }
    return false;
}

// --- Grammar -------------------------------------------------------------------------------------

static enum expected after_value(const struct scanner *scanner) {
    return scanner->depth > 0 ? COMMA_OR_END : NOTHING;
}

static bool take_value(struct scanner *scanner, enum expected *expected) {
    if (next_is(scanner, "{[")) {
        bool object = next_is(scanner, "{");
        *expected = object ? KEY_OR_END : VALUE_OR_END;
        skip(scanner, 1);
        return open_level(scanner, object);
    }
    *expected = after_value(scanner);
    return next_is(scanner, "\"")         ? take_string(scanner)
           : next_is(scanner, "-" DIGITS) ? take_number(scanner)
                                          : take_literal(scanner);
}

static bool take_end(struct scanner *scanner, enum expected *expected) {
    bool there = take(scanner, is_object(scanner) ? "}" : "]");
    if (there) {
        scanner->depth--;
        *expected = after_value(scanner);
    }
    return there;
}

static bool step(struct scanner *scanner, enum expected *expected) {
    switch (*expected) {
    case VALUE_OR_END:
        return take_end(scanner, expected) || take_value(scanner, expected);
    case VALUE:
        return take_value(scanner, expected);
    case KEY_OR_END:
        if (take_end(scanner, expected)) {
            return true;
        }
        *expected = COLON;
        return take_string(scanner);
    case KEY:
        *expected = COLON;
        return take_string(scanner);
    case COLON:
        *expected = VALUE;
        return take(scanner, ":");
    case COMMA_OR_END:
        if (take_end(scanner, expected)) {
            return true;
        }
        *expected = is_object(scanner) ? KEY : VALUE;
        return take(scanner, ",") && count_value(scanner);
    case NOTHING:
        break;
    }
    return false;
}

/// Where nothing said more: what is wrong with what comes next.
static enum json_fault fault_of(const struct scanner *scanner, enum expected expected) {
    if (scanner->fault != JSON_GOOD) {
        return scanner->fault;
    }
    const bool control = scanner->rest.len > 0 && (unsigned char)scanner->rest.data[0] < ' ';
    return control ? JSON_CONTROL : expected == NOTHING ? JSON_FOLLOWED : JSON_BROKEN;
}

static void skip_blanks(struct scanner *scanner) {
    (void)take_all(scanner, " \t\r\n", SIZE_MAX);
}

size_t json_value_length(struct slice text, const struct json_bounds *bounds) {
    cleanup_buffer struct buffer levels = BUFFER_INIT(text.len / 8 + 1);
    struct scanner scanner = {.bounds = bounds, .rest = text, .levels = &levels};
    enum expected expected = VALUE;
    while (expected != NOTHING) {
        if (scanner.rest.len == 0 || !step(&scanner, &expected)) {
            return 0;
        }
        if (expected != NOTHING) {
            skip_blanks(&scanner);
        }
    }
    return text.len - scanner.rest.len;
}

struct json_scan json_scan(struct slice text, const struct json_bounds *bounds) {
    cleanup_buffer struct buffer levels = BUFFER_INIT(text.len / 8 + 1);
    struct scanner scanner = {.bounds = bounds, .rest = text, .levels = &levels};
    struct json_scan scan = {0};
    enum expected expected = VALUE;
    for (size_t end = 0;; end = text.len - scanner.rest.len) {
        skip_blanks(&scanner);
        if (scanner.rest.len == 0 && expected == NOTHING) {
            return scan;
        }
        scan.is_object |= scanner.depth == 0 && expected == VALUE && next_is(&scanner, "{");
        const enum expected now = expected;
        if (scanner.rest.len == 0 || !step(&scanner, &expected)) {
            scan.fault = fault_of(&scanner, now);
            scan.at = scan.fault == JSON_FOLLOWED ? end : text.len - scanner.rest.len;
            return scan;
        }
    }
}

bool json_is_object(struct slice text, struct error *err) {
    static const struct json_bounds none = {.depth = SIZE_MAX, .values = SIZE_MAX};
    const struct json_scan scan = json_scan(text, &none);
    if (scan.fault != JSON_GOOD) {
        return error_set(err, "json", "not JSON, from byte %zu on", scan.at);
    }
    return scan.is_object || error_set(err, "json", "not an object");
}
