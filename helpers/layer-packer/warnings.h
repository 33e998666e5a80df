// SPDX-License-Identifier: Apache-2.0
/// What is told beside the result: it may fail in Lambda, but need not.
#pragma once

#include <stddef.h>

/// As many are kept; the others are only counted.
enum { WARNINGS_KEPT = 8 };

struct warnings {
    /// Owned.
    char *texts[WARNINGS_KEPT];
    /// Of all, kept or not.
    size_t count;
};
#define cleanup_warnings __attribute__((cleanup(warnings_clean_up)))

/// Zeroed is empty.
void warnings_clean_up(struct warnings *warnings);
/// Adds one; `warnings` may be NULL, for who does not want to know.
void warnings_add(struct warnings *warnings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
