// SPDX-License-Identifier: Apache-2.0
/// Borrowed text or bytes: never a bare pointer and length.
///
/// A slice owns nothing and is valid as long as what it points into. It need not end in NUL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

/// A slice of a string literal, also as an initialiser.
#define SLICE(literal) ((struct slice){.data = "" literal, .len = sizeof(literal) - 1})
/// For printf: `printf("%" SLICE_FORMAT, SLICE_ARGUMENTS(s))`; cut at INT_MAX.
#define SLICE_FORMAT ".*s"
#define SLICE_ARGUMENTS(slice) slice_print_length(slice), (slice).data ? (slice).data : ""

static inline struct slice slice_make(const void *data, size_t len) {
    return (struct slice){.data = data, .len = len};
}

/// The characters of a C string; NULL gives the empty slice.
struct slice slice_text(const char *text);

int slice_print_length(struct slice slice);

bool slice_equal(struct slice a, struct slice b);
bool slice_equal_text(struct slice a, const char *text);
/// ASCII letters alike in both cases, as in header names.
bool slice_equal_ignoring_case(struct slice a, struct slice b);
/// Order of the bytes as unsigned numbers, shorter first: negative, zero, positive.
int slice_compare(struct slice a, struct slice b);
bool slice_starts_with(struct slice slice, struct slice prefix);
bool slice_ends_with(struct slice slice, struct slice suffix);
/// Without spaces, tabs, carriage returns and newlines at both ends.
struct slice slice_trim(struct slice slice);
/// Without the first `count` bytes (all of them where there are fewer).
struct slice slice_skip(struct slice slice, size_t count);
/// Tells whether it is made of ASCII letters, digits and characters of `more` alone; the empty one
/// is.
bool slice_is_word(struct slice slice, const char *more);
/// Tells whether it is made of visible ASCII characters alone, no blanks; the empty one is.
bool slice_is_visible(struct slice slice);
/// Tells whether it has an ASCII control character: line ends, tabs and NUL are such.
bool slice_has_control(struct slice slice);
/// The index of the first `byte`, or `slice.len` where there is none.
size_t slice_find(struct slice slice, char byte);

/// Cuts the part before the next `separator` off the front of `*rest` into `*part`; false when
/// nothing is left. "a,,b" gives "a", "", "b"; "a," gives "a", ""; "" gives "" once.
/// Start with `rest` as the whole text.
bool slice_split(struct slice *rest, char separator, struct slice *part);

/// A decimal integer and nothing else ("-12"; no "+", no blanks, no more than 64 bits).
bool slice_parse_integer(struct slice slice, int64_t *value);

/// A copy that ends in NUL, to be released with free(). A NUL inside is copied too.
char *slice_copy(struct slice slice) __attribute__((returns_nonnull, warn_unused_result));
