// SPDX-License-Identifier: Apache-2.0
/// A command line as text, split into words without a shell: blanks separate, quotes and
/// backslashes keep together as in POSIX shells, and nothing else has a meaning.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/slice.h"

struct words {
    /// Ended by NULL once there was a split.
    char **items;
    size_t count;
};
#define cleanup_words __attribute__((cleanup(words_clean_up)))
void words_clean_up(struct words *words);

/// Fails (code "words") on a quote that is not closed or a backslash at the end. `words` is
/// initialised here and to be cleaned up, on failure too.
bool words_split(struct slice text, struct words *words, struct error *err);
