// SPDX-License-Identifier: Apache-2.0
#include "common/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *check(void *memory) {
    if (!memory) {
        static const char message[] = "out of memory\n";
        // Nothing is left to do about a failure of this write.
        if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0) {
            abort();
        }
        abort();
    }
    return memory;
}

void *xmalloc(size_t size) {
    return check(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t count, size_t size) {
    return check(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xreallocarray(void *memory, size_t count, size_t size) {
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        check(NULL);
    }
    return check(realloc(memory, total > 0 ? total : 1));
}

char *xstrdup(const char *text) {
    return check(strdup(text));
}

char *xvasprintf(const char *format, va_list arguments) {
    char *text = NULL;
    const int length = vasprintf(&text, format, arguments);
    return check(length < 0 ? NULL : text);
}

char *xasprintf(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = xvasprintf(format, arguments);
    va_end(arguments);
    return text;
}
