// SPDX-License-Identifier: Apache-2.0
/// Is a zip, whoever made it, one that Lambda can unpack without harm?
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/zip/reader.h"

struct inspection {
    uint64_t entries;
    uint64_t unzipped_size;
};

/// Checks the open zip: methods and kinds of entries, names, names that are there twice, symlinks
/// that leave the root, and more than `max_unzipped` bytes. Then reads all content and checks sizes
/// and checksums, unless `structure_only`. What it reads is bounded by what deflate can make of the
/// file's own size, as no two entries share their bytes.
bool inspect_zip(const struct reader *reader, uint64_t max_unzipped, bool structure_only,
                 struct inspection *inspection, struct error *err);
