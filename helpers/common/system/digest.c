// SPDX-License-Identifier: Apache-2.0
#include "common/system/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"

enum { STEP = 1024 * 1024 };

static void context_freep(EVP_MD_CTX **context) {
    EVP_MD_CTX_free(*context);
}

bool digest_fd(int fd, const char *name, unsigned char digest[DIGEST_SIZE], struct error *err) {
    __attribute__((cleanup(context_freep))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        return error_set(err, "crypto", "%s: cannot take a SHA-256", name);
    }
    cleanup_free unsigned char *piece = xmalloc(STEP);
    off_t offset = 0;
    for (;;) {
        const ssize_t count = pread(fd, piece, STEP, offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return error_errno(err, errno, "cannot read %s", name);
        }
        if (count == 0) {
            break;
        }
        if (EVP_DigestUpdate(context, piece, (size_t)count) != 1) {
            return error_set(err, "crypto", "%s: cannot take a SHA-256", name);
        }
        offset += count;
    }
    return EVP_DigestFinal_ex(context, digest, NULL) == 1 ||
           error_set(err, "crypto", "%s: cannot take a SHA-256", name);
}
