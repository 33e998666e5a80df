// SPDX-License-Identifier: Apache-2.0
/// SHA-256 of whole files.
#pragma once

#include <stdbool.h>

#include "common/error.h"

enum { DIGEST_SIZE = 32 };

/// Hashes the open file from its beginning, whatever its position; `name` is for messages.
bool digest_fd(int fd, const char *name, unsigned char digest[DIGEST_SIZE], struct error *err);
