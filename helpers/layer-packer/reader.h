// SPDX-License-Identifier: Apache-2.0
/// Reading zips with libzip, from files that may be hostile.
#pragma once

#include <stdbool.h>
#include <zip.h>

#include "common/error.h"

#define cleanup_reader __attribute__((cleanup(reader_closep)))

/// Opens the zip in the open file `fd`, which stays the caller's, and has libzip check that its
/// directory fits together. NULL on failure.
zip_t *reader_open(int fd, struct error *err);
void reader_closep(zip_t **zip);

/// The Unix mode of an entry with its type, 0 where the zip says none. A mode without a type has
/// the type of its name: a folder's ends in a slash.
unsigned reader_mode(zip_t *zip, zip_uint64_t index);
