// SPDX-License-Identifier: Apache-2.0
/// Detached Ed25519 signatures over whole files, as `openssl pkeyutl -sign -rawin` makes them.
#pragma once

#include <stdbool.h>

#include "common/error.h"

enum { SIGNATURE_SIZE = 64 };

/// Writes the 64 bytes of the signature of `path` to `path`.sig, with the private key in the PEM
/// file `key`.
bool signature_write(const char *path, const char *key, struct error *err);
/// Fails unless `path`.sig is the signature of the open file `fd` (called `path`) by the owner of
/// the public key in the PEM file `key`.
bool signature_check(int fd, const char *path, const char *key, struct error *err);
