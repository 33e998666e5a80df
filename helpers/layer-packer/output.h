// SPDX-License-Identifier: Apache-2.0
/// A file that is there whole or not at all, whatever ends the program while it is written.
#pragma once

#include <stdbool.h>

#include "common/error.h"

struct output {
    /// Open for reading and writing.
    int fd;
    /// Where it is to be.
    const char *path;
    /// Its present name, or NULL where the file system lets it be without one. Owned.
    char *temporary;
};
#define cleanup_output __attribute__((cleanup(output_clean_up)))

/// Opens a new, empty file in the folder of `path`, which is borrowed.
bool output_open(const char *path, struct output *output, struct error *err);
/// Syncs it and gives it its name, with the mode of any new file. An existing one is replaced.
bool output_keep(struct output *output, struct error *err);
/// Closes it; one that was not kept is gone.
void output_clean_up(struct output *output);
