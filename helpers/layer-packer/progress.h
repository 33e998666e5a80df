// SPDX-License-Identifier: Apache-2.0
/// A bar on stderr while something is downloaded; nothing at all where that is no terminal.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *name;
    bool shown;
    int64_t last_ms;
};

/// `name` is borrowed.
void progress_start(struct progress *progress, const char *name);
/// `total` is -1 where it is not known. Draws at most ten times in a second.
void progress_update(struct progress *progress, int64_t received, int64_t total);
/// Removes the bar.
void progress_end(struct progress *progress);
