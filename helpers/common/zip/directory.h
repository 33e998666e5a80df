// SPDX-License-Identifier: Apache-2.0
/// What libzip does not tell of a zip's central directory.
#pragma once

#include <stdbool.h>
#include <zip.h>

#include "common/error.h"

/// Walks the central directory of the zip in the open file `fd`, which libzip has opened as `zip`
/// and found consistent. Refuses (code "zip") names with a NUL in them, which libzip, and whoever
/// unpacks the zip later, cut there or not; and entries that share their bytes, which is how a
/// small zip unpacks to petabytes: all entries together, headers included, must fit in the file.
bool directory_check(int fd, zip_t *zip, struct error *err);
