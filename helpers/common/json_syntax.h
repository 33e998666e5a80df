// SPDX-License-Identifier: Apache-2.0
/// Whether a text is JSON (RFC 8259), told without building what it says: in constant memory but
/// for one bit for each level of nesting, whatever its size and depth.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/slice.h"

/// What a text may hold; SIZE_MAX: any number.
struct json_bounds {
    size_t depth;
    /// Members and elements: what a tree of the text takes memory for.
    size_t values;
    /// Its strings are to be C strings: \u0000 is refused.
    bool c_strings;
    /// The caller takes strings that are not UTF-8.
    bool any_bytes;
};

enum json_fault {
    JSON_GOOD,
    JSON_BROKEN,
    /// Something other than blanks comes after the value, which ends at `at`.
    JSON_FOLLOWED,
    JSON_CONTROL,
    JSON_CONTROL_IN_STRING,
    JSON_NUL,
    JSON_TOO_DEEP,
    JSON_TOO_MANY,
};

struct json_scan {
    enum json_fault fault;
    /// The byte at which it is.
    size_t at;
    /// The value is an object.
    bool is_object;
};

/// Looks at a text that is to be one value within these bounds.
struct json_scan json_scan(struct slice text, const struct json_bounds *bounds);

/// The length of the value that `text` begins with, 0 where there is none within these bounds. What
/// follows it is not looked at.
size_t json_value_length(struct slice text, const struct json_bounds *bounds);

/// True if `text` is one JSON object, with blanks around it at most. What json_parse refuses for
/// cJSON's sake (\u0000, deep nesting, half a surrogate pair) is fine here. Else `err` (code
/// "json") says from which byte on it is not JSON.
bool json_is_object(struct slice text, struct error *err);
