// SPDX-License-Identifier: Apache-2.0
/// Detached Ed25519 signatures over whole files, as `openssl pkeyutl -sign -rawin` makes them.
#pragma once

#include <stdbool.h>

#include "common/error.h"

enum { SIGNATURE_SIZE = 64 };

/// How a signature is written.
enum signature_form {
    /// The 64 bytes alone.
    SIGNATURE_RAW,
    /// The same in base64 on a line, for what travels as text.
    SIGNATURE_BASE64,
};

/// Writes the signature of `path` to `path`.sig, with the private key in the PEM file `key`.
bool signature_write(const char *path, const char *key, enum signature_form form,
                     struct error *err);
/// Fails unless `path`.sig, in either form, is the signature of the open file `fd` (called `path`)
/// by the owner of the public key in the PEM file `key`.
bool signature_check(int fd, const char *path, const char *key, struct error *err);
/// The same for a signature that is open itself, called `name`.
bool signature_check_fd(int fd, const char *path, int signature_fd, const char *name,
                        const char *key, struct error *err);
