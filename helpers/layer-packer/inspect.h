// SPDX-License-Identifier: Apache-2.0
/// Is a zip, whoever made it, one that Lambda can unpack without harm?
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/zip/reader.h"
#include "layer-packer/programs.h"
#include "layer-packer/warnings.h"

struct inspection {
    uint64_t entries;
    uint64_t unzipped_size;
};

struct inspect_options {
    uint64_t max_unzipped;
    /// Neither content nor programs are looked at.
    bool structure_only;
    struct programs_options programs;
};

/// Checks the open zip: methods and kinds of entries, names, names that are there twice, symlinks,
/// and more than `max_unzipped` bytes. Then reads all content, checks sizes and checksums, and what
/// programs_check() does. What it reads is bounded by what deflate can make of the file's own size,
/// as no two entries share their bytes; memory by one ELF file, of which no more is looked at than
/// a layer holds, 250 MB. `warnings` may be NULL.
bool inspect_zip(const struct reader *reader, const struct inspect_options *options,
                 struct inspection *inspection, struct warnings *warnings, struct error *err);
