// SPDX-License-Identifier: Apache-2.0
/// A value that must not be seen: tokens, keys.
///
/// It lies in pages of its own that are kept out of core files and forked children, locked in
/// memory where the limits allow it, and wiped when it is released. There is no way to print one;
/// who needs the bytes says so with secret_expose(), which is easy to look for.
#pragma once

#include <stdbool.h>

#include "common/buffer.h"
#include "common/slice.h"

struct secret;

#define cleanup_secret __attribute__((cleanup(secret_destroyp)))

/// A secret with a copy of `value` (which may be empty), to be released with secret_destroy().
struct secret *secret_new(struct slice value) __attribute__((returns_nonnull, warn_unused_result));
/// The same with the content of `buffer`, which is wiped and emptied.
struct secret *secret_take(struct buffer *buffer)
    __attribute__((returns_nonnull, warn_unused_result));
/// Wipes and releases it; NULL is fine.
void secret_destroy(struct secret *secret);
/// For cleanup_secret.
void secret_destroyp(struct secret **secret);

/// The bytes, followed by a NUL that does not count; valid as long as the secret. NULL has none. Do
/// not copy them to memory that is not wiped.
struct slice secret_expose(const struct secret *secret);
/// Compares in a time that does not depend on where they differ. NULL equals nothing.
bool secret_equals(const struct secret *secret, struct slice value);
