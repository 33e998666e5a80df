// SPDX-License-Identifier: Apache-2.0
#include "common/wipe.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void wipe_free(void *memory) {
    if (memory) {
        explicit_bzero(memory, malloc_usable_size(memory));
        free(memory);
    }
}

void *wipe_realloc(void *memory, size_t size) {
    void *moved = malloc(size);
    if (memory && moved) {
        const size_t had = malloc_usable_size(memory);
        memcpy(moved, memory, had < size ? had : size);
        wipe_free(memory);
    }
    return moved;
}

// --- OpenSSL -----------------------------------------------------------------------------------

static void *openssl_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return size > 0 ? malloc(size) : NULL;
}

static void openssl_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    wipe_free(memory);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line) {
    if (size == 0) {
        openssl_free(memory, file, line);
        return NULL;
    }
    return wipe_realloc(memory, size);
}

void wipe_openssl(void) {
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) {
        abort();
    }
}
