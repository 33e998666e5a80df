// SPDX-License-Identifier: Apache-2.0
/// An open file as what libzip writes a new archive to.
#pragma once

#include <zip.h>

struct archive_target {
    int fd;
    zip_int64_t position;
    zip_int64_t size;
    zip_error_t error;
};

/// A source over `target`, which must live longer; NULL for want of memory.
zip_source_t *archive_target_source(struct archive_target *target, zip_error_t *error);
