// SPDX-License-Identifier: Apache-2.0
/// SHA-256: of texts, of what comes piece by piece, and of whole files.
#pragma once

#include <openssl/types.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/slice.h"

enum { DIGEST_SIZE = 32 };
/// In lower-case hexadecimal, with a final NUL.
enum { DIGEST_HEX_SIZE = 2 * DIGEST_SIZE + 1 };

/// A hash that is being taken. Zeroed is none.
struct digest {
    EVP_MD_CTX *context;
};
#define cleanup_digest __attribute__((cleanup(digest_clean_up)))
void digest_clean_up(struct digest *digest);

/// These three fail with the code "crypto", for want of memory only.
bool digest_begin(struct digest *digest, struct error *err);
bool digest_add(struct digest *digest, struct slice piece, struct error *err);
bool digest_end(struct digest *digest, unsigned char hash[DIGEST_SIZE], struct error *err);

/// Hashes the open file from its beginning, whatever its position; `name` is for messages.
bool digest_fd(int fd, const char *name, unsigned char hash[DIGEST_SIZE], struct error *err);

void digest_hex(const unsigned char hash[DIGEST_SIZE], char hex[DIGEST_HEX_SIZE]);
/// Hashes the bytes.
void digest_text(struct slice bytes, unsigned char hash[DIGEST_SIZE]);
void digest_text_hex(struct slice bytes, char hex[DIGEST_HEX_SIZE]);
