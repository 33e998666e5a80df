// SPDX-License-Identifier: Apache-2.0
#include "common/secret.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/alloc.h"

struct secret {
    char *bytes;
    size_t len;
    /// The size of the mapping, whole pages.
    size_t mapped;
};

static size_t whole_pages(size_t size) {
    const long page = sysconf(_SC_PAGESIZE);
    const size_t unit = page > 0 ? (size_t)page : 4096;
    return (size + unit - 1) / unit * unit;
}

struct secret *secret_new(struct slice value) {
    struct secret *secret = xcalloc(1, sizeof(*secret));
    secret->len = value.len;
    secret->mapped = whole_pages(value.len + 1);
    void *memory =
        mmap(NULL, secret->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        // As alloc.h says: without memory there is no going on.
        abort();
    }
    // Each of these is a further protection; a kernel or a limit that refuses one (mlock: the limit
    // of locked memory) leaves the others.
    (void)mlock(memory, secret->mapped);
    (void)madvise(memory, secret->mapped, MADV_DONTDUMP);
    (void)madvise(memory, secret->mapped, MADV_WIPEONFORK);
    secret->bytes = memory;
    if (value.len > 0) {
        memcpy(secret->bytes, value.data, value.len);
    }
    return secret;
}

struct secret *secret_take(struct buffer *buffer) {
    struct secret *secret = secret_new(buffer_slice(buffer));
    if (buffer->data) {
        OPENSSL_cleanse(buffer->data, buffer->capacity);
    }
    buffer_clean_up(buffer);
    return secret;
}

void secret_destroy(struct secret *secret) {
    if (!secret) {
        return;
    }
    OPENSSL_cleanse(secret->bytes, secret->mapped);
    (void)munlock(secret->bytes, secret->mapped);
    (void)munmap(secret->bytes, secret->mapped);
    free(secret);
}

void secret_destroyp(struct secret **secret) {
    secret_destroy(*secret);
}

struct slice secret_expose(const struct secret *secret) {
    return secret ? slice_make(secret->bytes, secret->len) : SLICE("");
}

bool secret_equals(const struct secret *secret, struct slice value) {
    return secret && secret->len == value.len &&
           (value.len == 0 || CRYPTO_memcmp(secret->bytes, value.data, value.len) == 0);
}
