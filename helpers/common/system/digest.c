// SPDX-License-Identifier: Apache-2.0
#include "common/system/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"

enum { STEP = 1024 * 1024 };

static bool check(int result, struct error *err) {
    return result == 1 || error_set(err, "crypto", "cannot take a SHA-256");
}

void digest_clean_up(struct digest *digest) {
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

bool digest_begin(struct digest *digest, struct error *err) {
    digest->context = EVP_MD_CTX_new();
    return check(digest->context ? EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) : 0, err);
}

bool digest_add(struct digest *digest, struct slice piece, struct error *err) {
    return check(EVP_DigestUpdate(digest->context, piece.data, piece.len), err);
}

bool digest_end(struct digest *digest, unsigned char hash[DIGEST_SIZE], struct error *err) {
    return check(EVP_DigestFinal_ex(digest->context, hash, NULL), err);
}

bool digest_fd(int fd, const char *name, unsigned char hash[DIGEST_SIZE], struct error *err) {
    cleanup_digest struct digest digest = {0};
    cleanup_free unsigned char *piece = xmalloc(STEP);
    off_t offset = 0;
    if (!digest_begin(&digest, err)) {
        return false;
    }
    for (;;) {
        const ssize_t count = pread(fd, piece, STEP, offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return error_errno(err, errno, "cannot read %s", name);
        }
        if (count == 0) {
            return digest_end(&digest, hash, err);
        }
        if (!digest_add(&digest, slice_make(piece, (size_t)count), err)) {
            return false;
        }
        offset += count;
    }
}

void digest_hex(const unsigned char hash[DIGEST_SIZE], char hex[DIGEST_HEX_SIZE]) {
    encoding_hex(slice_make(hash, DIGEST_SIZE), hex);
    hex[DIGEST_HEX_SIZE - 1] = '\0';
}

void digest_text(struct slice bytes, unsigned char hash[DIGEST_SIZE]) {
    SHA256((const unsigned char *)(bytes.data ? bytes.data : ""), bytes.len, hash);
}

void digest_text_hex(struct slice bytes, char hex[DIGEST_HEX_SIZE]) {
    unsigned char hash[DIGEST_SIZE];
    digest_text(bytes, hash);
    digest_hex(hash, hex);
}
