// SPDX-License-Identifier: Apache-2.0
/// Owned text or bytes that grow up to a hard maximum, given when the buffer is made.
///
/// An append that would go over `max` appends nothing, returns false, and marks the buffer as
/// overflowed; everything appended later is refused too. So a text can be put together without
/// looking at each step, and checked once with buffer_check().
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/slice.h"

struct buffer {
    /// NULL before the first append; else `data[len]` is NUL.
    char *data;
    size_t len;
    size_t capacity;
    size_t max;
    bool overflowed;
    /// The content is wiped when it moves, shrinks, or is released.
    bool sensitive;
};

/// An empty buffer of at most `limit` bytes; buffer_clean_up() releases it.
#define BUFFER_INIT(limit)                                                                         \
    { .max = (limit) }
/// The same for secrets: wiped when it grows and when it is released.
#define BUFFER_INIT_SENSITIVE(limit)                                                               \
    { .max = (limit), .sensitive = true }
#define cleanup_buffer __attribute__((cleanup(buffer_clean_up)))

void buffer_init(struct buffer *buffer, size_t max);
/// Releases the memory; the buffer is empty and can be used again with the same `max`.
void buffer_clean_up(struct buffer *buffer);
/// Empties it and clears the overflow mark, and keeps the memory for what comes next.
void buffer_reset(struct buffer *buffer);

/// `bytes` may lie in the buffer itself.
bool buffer_append(struct buffer *buffer, struct slice bytes);
bool buffer_append_text(struct buffer *buffer, const char *text);
bool buffer_append_byte(struct buffer *buffer, char byte);
bool buffer_appendf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// Makes room for `count` bytes behind the content and returns where to write them, or NULL where
/// that would go over `max`. buffer_commit() then takes the first `count` of them in.
char *buffer_reserve(struct buffer *buffer, size_t count);
void buffer_commit(struct buffer *buffer, size_t count);

/// Keeps only the first `len` bytes.
void buffer_truncate(struct buffer *buffer, size_t len);

/// The content, valid until the buffer changes.
struct slice buffer_slice(const struct buffer *buffer);
/// The content as a C string, "" for an empty buffer; valid until the buffer changes.
const char *buffer_text(const struct buffer *buffer);
/// False, with the code "too_large" and "<what>: larger than <max> bytes", if it overflowed.
bool buffer_check(const struct buffer *buffer, const char *what, struct error *err);
