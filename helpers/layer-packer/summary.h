// SPDX-License-Identifier: Apache-2.0
/// What there is to say about a finished zip.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/error.h"
#include "common/system/digest.h"

struct summary {
    /// As the caller names it; borrowed.
    const char *path;
    char sha256[DIGEST_HEX_SIZE];
    /// The same in base64, as Lambda and Terraform write it.
    char source_code_hash[45];
    uint64_t size;
    uint64_t unzipped_size;
    uint64_t entries;
};

/// Fills in path, hashes and size from the open file; the caller knows the rest.
bool summary_read(int fd, const char *path, struct summary *summary, struct error *err);

/// One JSON object on a line of stdout, with exactly the members of the struct.
void summary_print_json(const struct summary *summary);
/// A few lines for people on stdout.
void summary_print(const struct summary *summary);

/// "12.3 MB", of 1,000,000 bytes as Lambda's documentation counts a zip; to be released with
/// free().
char *summary_format_size(uint64_t bytes) __attribute__((returns_nonnull));
