// SPDX-License-Identifier: Apache-2.0
/// One file out of a zip that somebody else made.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/error.h"

/// Writes the file `member` of the zip `zip_fd` to `out_fd`; refuses more than `max_size` bytes and
/// a wrong checksum. `*mode` is what the zip says; 0 where it says nothing.
bool member_extract(int zip_fd, const char *member, int out_fd, uint64_t max_size, mode_t *mode,
                    struct error *err);
