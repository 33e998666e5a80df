// SPDX-License-Identifier: Apache-2.0
/// What went wrong, as a value: the last parameter of every function that can fail.
///
/// The caller owns it, normally on its stack; it holds no heap memory and need not be released.
/// It is only meaningful after a function returned false (or NULL) with it.
#pragma once

#include <stdbool.h>

enum { ERROR_CODE_SIZE = 65 };
enum { ERROR_MESSAGE_SIZE = 1024 };

struct error {
    /// A short word for programs: "timeout", "AccessDeniedException"; "system" for an errno.
    char code[ERROR_CODE_SIZE];
    /// One line for people, without a final full stop or newline. Longer text is cut with "...".
    char message[ERROR_MESSAGE_SIZE];
    /// The errno behind it, 0 where there was none.
    int errnum;
};

/// Sets code and message. Always returns false, so that `return error_set(err, ...)` works.
/// The arguments may be parts of `err` itself.
bool error_set(struct error *err, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4), nonnull(1, 2, 3), cold));

/// Sets the code "system" and the message "<formatted>: <what errnum means>". Returns false.
bool error_errno(struct error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4), nonnull(1, 3), cold));

/// Puts "<formatted>: " in front of the message and keeps the rest. Returns false.
bool error_prefix(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(1, 2), cold));

/// Tells whether the code is `code`.
bool error_is(const struct error *err, const char *code);
