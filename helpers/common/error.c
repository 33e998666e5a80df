// SPDX-License-Identifier: Apache-2.0
#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char cut_mark[] = "...";

/// Ends a text that did not fit with "...", not in the middle of a UTF-8 sequence.
static void mark_cut(char *text, size_t size) {
    size_t end = size - sizeof(cut_mark);
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) {
        end--;
    }
    memcpy(text + end, cut_mark, sizeof(cut_mark));
}

static void __attribute__((format(printf, 3, 0)))
format_message(char *text, size_t size, const char *format, va_list arguments) {
    const int length = vsnprintf(text, size, format, arguments);
    if (length < 0) {
        text[0] = '\0';
    } else if ((size_t)length >= size) {
        mark_cut(text, size);
    }
}

bool error_set(struct error *err, const char *code, const char *format, ...) {
    // By way of a copy, as the arguments may be parts of the error itself.
    struct error next = {.errnum = 0};
    va_list arguments;
    va_start(arguments, format);
    format_message(next.message, sizeof(next.message), format, arguments);
    va_end(arguments);
    (void)snprintf(next.code, sizeof(next.code), "%s", code);
    *err = next;
    return false;
}

bool error_errno(struct error *err, int errnum, const char *format, ...) {
    struct error next = {.code = "system", .errnum = errnum};
    va_list arguments;
    va_start(arguments, format);
    format_message(next.message, sizeof(next.message), format, arguments);
    va_end(arguments);

    char reason[128] = "";
    // The GNU variant may return a text of its own instead of filling the buffer, the POSIX one
    // (musl) returns a number.
#ifdef __GLIBC__
    const char *text = strerror_r(errnum, reason, sizeof(reason));
#else
    const char *text = strerror_r(errnum, reason, sizeof(reason)) == 0 ? reason : "unknown error";
#endif
    const size_t length = strlen(next.message);
    const size_t room = sizeof(next.message) - length;
    if ((size_t)snprintf(next.message + length, room, ": %s", text) >= room) {
        mark_cut(next.message, sizeof(next.message));
    }
    *err = next;
    return false;
}

bool error_prefix(struct error *err, const char *format, ...) {
    struct error next = *err;
    va_list arguments;
    va_start(arguments, format);
    format_message(next.message, sizeof(next.message), format, arguments);
    va_end(arguments);
    const size_t length = strlen(next.message);
    const size_t room = sizeof(next.message) - length;
    if ((size_t)snprintf(next.message + length, room, ": %s", err->message) >= room) {
        mark_cut(next.message, sizeof(next.message));
    }
    *err = next;
    return false;
}

bool error_is(const struct error *err, const char *code) {
    return strcmp(err->code, code) == 0;
}
