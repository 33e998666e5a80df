// SPDX-License-Identifier: Apache-2.0
#include "common/buffer.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"

enum { SMALLEST_CAPACITY = 64 };

void buffer_init(struct buffer *buffer, size_t max) {
    *buffer = (struct buffer){.max = max};
}

static void release(const struct buffer *buffer, char *data) {
    if (buffer->sensitive && data) {
        OPENSSL_cleanse(data, buffer->capacity);
    }
    free(data);
}

void buffer_clean_up(struct buffer *buffer) {
    release(buffer, buffer->data);
    *buffer = (struct buffer){.max = buffer->max, .sensitive = buffer->sensitive};
}

void buffer_reset(struct buffer *buffer) {
    buffer_truncate(buffer, 0);
    buffer->overflowed = false;
}

/// Sees to a capacity of `needed` bytes and the final NUL; `needed` is at most `max`.
static void grow(struct buffer *buffer, size_t needed) {
    if (buffer->data && needed < buffer->capacity) {
        return;
    }
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : SMALLEST_CAPACITY;
    while (capacity <= needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed + 1 : capacity * 2;
    }
    if (!buffer->sensitive) {
        buffer->data = xreallocarray(buffer->data, capacity, 1);
    } else {
        // realloc would leave the old bytes behind.
        char *data = xmalloc(capacity);
        if (buffer->data) {
            memcpy(data, buffer->data, buffer->len);
        }
        release(buffer, buffer->data);
        buffer->data = data;
    }
    buffer->capacity = capacity;
    buffer->data[buffer->len] = '\0';
}

char *buffer_reserve(struct buffer *buffer, size_t count) {
    if (buffer->overflowed || count > buffer->max || buffer->len > buffer->max - count) {
        buffer->overflowed = true;
        return NULL;
    }
    grow(buffer, buffer->len + count);
    return buffer->data + buffer->len;
}

void buffer_commit(struct buffer *buffer, size_t count) {
    if (count > 0) {
        buffer->len += count;
        buffer->data[buffer->len] = '\0';
    }
}

bool buffer_append(struct buffer *buffer, struct slice bytes) {
    if (bytes.len == 0) {
        return !buffer->overflowed;
    }
    // What is appended may be a part of this buffer, which moves when it grows.
    const uintptr_t start = (uintptr_t)buffer->data;
    const uintptr_t source = (uintptr_t)bytes.data;
    const bool own = buffer->data && source >= start && source < start + buffer->capacity;
    const size_t offset = own ? (size_t)(source - start) : 0;
    char *end = buffer_reserve(buffer, bytes.len);
    if (!end) {
        return false;
    }
    memmove(end, own ? buffer->data + offset : bytes.data, bytes.len);
    buffer_commit(buffer, bytes.len);
    return true;
}

bool buffer_append_text(struct buffer *buffer, const char *text) {
    return buffer_append(buffer, slice_text(text));
}

bool buffer_append_byte(struct buffer *buffer, char byte) {
    return buffer_append(buffer, slice_make(&byte, 1));
}

bool buffer_appendf(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *end = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length);
    if (!end) {
        buffer->overflowed = true;
    } else {
        (void)vsnprintf(end, (size_t)length + 1, format, again);
        buffer_commit(buffer, (size_t)length);
    }
    va_end(again);
    return end != NULL;
}

void buffer_truncate(struct buffer *buffer, size_t len) {
    if (len >= buffer->len) {
        return;
    }
    if (buffer->sensitive) {
        OPENSSL_cleanse(buffer->data + len, buffer->len - len);
    }
    buffer->len = len;
    buffer->data[len] = '\0';
}

struct slice buffer_slice(const struct buffer *buffer) {
    return slice_make(buffer_text(buffer), buffer->len);
}

const char *buffer_text(const struct buffer *buffer) {
    return buffer->data ? buffer->data : "";
}

bool buffer_check(const struct buffer *buffer, const char *what, struct error *err) {
    if (buffer->overflowed) {
        return error_set(err, "too_large", "%s: larger than %zu bytes", what, buffer->max);
    }
    return true;
}
