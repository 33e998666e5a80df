// SPDX-License-Identifier: Apache-2.0
/// Memory that is there, or the program ends: the one place where running out of it is handled.
///
/// A program of ours that cannot get a few kilobytes cannot report to anybody either. It says so on
/// stderr and aborts; Lambda then drops the environment. Sizes that others choose (bodies, files)
/// never come here unchecked: they are bounded by a buffer's `max`. Release with free().
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
/// `count` zeroed elements of `size` bytes; aborts where the product overflows.
void *xcalloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull, warn_unused_result));
/// Resizes `memory` (may be NULL) to `count` elements of `size` bytes.
void *xreallocarray(void *memory, size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));
char *xstrdup(const char *text)
    __attribute__((malloc, returns_nonnull, nonnull, warn_unused_result));
/// Formatted text of any length.
char *xasprintf(const char *format, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2), warn_unused_result));
char *xvasprintf(const char *format, va_list arguments)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 0), warn_unused_result));
