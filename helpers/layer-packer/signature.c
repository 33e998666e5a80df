// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/system/files.h"

enum { MAX_KEY = 64 * 1024 };

static void key_freep(EVP_PKEY **key) {
    EVP_PKEY_free(*key);
}

static void context_freep(EVP_MD_CTX **context) {
    EVP_MD_CTX_free(*context);
}

/// No passphrase is asked for: a key with one is an error.
static int no_passphrase(char *into, int size, int writing, void *context) {
    (void)into;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static EVP_PKEY *read_key(const char *path, bool private, struct error *err) {
    cleanup_buffer struct buffer pem = BUFFER_INIT_SENSITIVE(MAX_KEY);
    if (!files_read(path, &pem, err)) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = NULL;
    if (bio && pem.len > 0) {
        key = private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                      : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    }
    BIO_free(bio);
    if (!key) {
        error_set(err, "key", "%s: must be a PEM file with %s", path,
                  private ? "an unencrypted private key" : "a public key");
        return NULL;
    }
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        const char *kind = EVP_PKEY_get0_type_name(key);
        error_set(err, "key", "%s: must be an Ed25519 key, not %s", path, kind ? kind : "this");
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

/// The whole of the file; Ed25519 reads its message twice, so it cannot come piece by piece.
static bool read_message(int fd, const char *path, struct buffer *message, struct error *err) {
    struct stat status;
    if (fstat(fd, &status) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
        return error_errno(err, errno, "cannot read %s", path);
    }
    // One piece of memory from the start, instead of one that is moved as it grows.
    if (!buffer_reserve(message, (size_t)status.st_size + 1)) {
        return buffer_check(message, path, err);
    }
    return files_read_fd(fd, path, message, err);
}

bool signature_write(const char *path, const char *key_path, struct error *err) {
    __attribute__((cleanup(key_freep))) EVP_PKEY *key = read_key(key_path, true, err);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!key) {
        return false;
    }
    if (fd < 0) {
        return error_errno(err, errno, "cannot open %s", path);
    }
    cleanup_buffer struct buffer message = BUFFER_INIT((size_t)1 << 40);
    if (!read_message(fd, path, &message, err)) {
        return false;
    }
    __attribute__((cleanup(context_freep))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[SIGNATURE_SIZE];
    size_t length = sizeof(signature);
    if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &length, (const unsigned char *)buffer_text(&message),
                       message.len) != 1 ||
        length != sizeof(signature)) {
        return error_set(err, "crypto", "cannot sign %s", path);
    }
    cleanup_free char *name = xasprintf("%s.sig", path);
    return files_write_atomically(name, slice_make(signature, sizeof(signature)), 0644, err);
}

bool signature_check(int fd, const char *path, const char *key_path, struct error *err) {
    __attribute__((cleanup(key_freep))) EVP_PKEY *key = read_key(key_path, false, err);
    cleanup_free char *name = xasprintf("%s.sig", path);
    cleanup_buffer struct buffer signature = BUFFER_INIT(SIGNATURE_SIZE);
    if (!key) {
        return false;
    }
    if (!files_read(name, &signature, err)) {
        if (!error_is(err, "too_large")) {
            return false;
        }
        buffer_reset(&signature);
    }
    if (signature.len != SIGNATURE_SIZE) {
        return error_set(err, "signature", "%s: must have the 64 bytes of an Ed25519 signature",
                         name);
    }
    cleanup_buffer struct buffer message = BUFFER_INIT((size_t)1 << 40);
    if (!read_message(fd, path, &message, err)) {
        return false;
    }
    __attribute__((cleanup(context_freep))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1) {
        return error_set(err, "crypto", "cannot check the signature of %s", path);
    }
    return EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
                            (const unsigned char *)buffer_text(&message), message.len) == 1 ||
           error_set(err, "signature", "%s: is not the signature of %s by the owner of %s", name,
                     path, key_path);
}
