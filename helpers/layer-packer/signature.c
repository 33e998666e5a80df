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
#include "common/encoding.h"
#include "common/system/files.h"

enum { MAX_KEY = 64 * 1024 };
/// In base64, with a line end.
enum { SIGNATURE_LINE_SIZE = 89 };

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

static bool write_signature(const char *name, struct slice signature, enum signature_form form,
                            struct error *err) {
    cleanup_buffer struct buffer line = BUFFER_INIT(SIGNATURE_LINE_SIZE);
    if (form == SIGNATURE_BASE64) {
        (void)encoding_append_base64(&line, signature);
        (void)buffer_append_byte(&line, '\n');
        signature = buffer_slice(&line);
    }
    return files_write_atomically(name, signature, 0644, err);
}

/// The 64 bytes, in whichever form the file has them.
static bool read_signature(int fd, const char *name, struct buffer *signature, struct error *err) {
    cleanup_buffer struct buffer content = BUFFER_INIT(SIGNATURE_LINE_SIZE);
    struct error reason;
    if (!files_read_fd(fd, name, &content, &reason)) {
        if (!error_is(&reason, "too_large")) {
            *err = reason;
            return false;
        }
        buffer_reset(&content);
    }
    struct slice text = buffer_slice(&content);
    if (text.len == SIGNATURE_SIZE) {
        return buffer_append(signature, text);
    }
    text.len -= slice_ends_with(text, SLICE("\n")) ? 1 : 0;
    return (encoding_decode_base64(signature, text, &reason) && signature->len == SIGNATURE_SIZE) ||
           error_set(err, "signature",
                     "%s: must have the 64 bytes of an Ed25519 signature, or these in base64 on a "
                     "line",
                     name);
}

bool signature_write(const char *path, const char *key_path, enum signature_form form,
                     struct error *err) {
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
    return write_signature(name, slice_make(signature, sizeof(signature)), form, err);
}

static bool check(EVP_PKEY *key, const char *key_path, int fd, const char *path, int signature_fd,
                  const char *name, struct error *err) {
    cleanup_buffer struct buffer signature = BUFFER_INIT(SIGNATURE_LINE_SIZE);
    cleanup_buffer struct buffer message = BUFFER_INIT((size_t)1 << 40);
    if (!read_signature(signature_fd, name, &signature, err) ||
        !read_message(fd, path, &message, err)) {
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

bool signature_check_fd(int fd, const char *path, int signature_fd, const char *name,
                        const char *key_path, struct error *err) {
    __attribute__((cleanup(key_freep))) EVP_PKEY *key = read_key(key_path, false, err);
    return key && check(key, key_path, fd, path, signature_fd, name, err);
}

bool signature_check(int fd, const char *path, const char *key_path, struct error *err) {
    __attribute__((cleanup(key_freep))) EVP_PKEY *key = read_key(key_path, false, err);
    cleanup_free char *name = xasprintf("%s.sig", path);
    cleanup_close int signature_fd = open(name, O_RDONLY | O_CLOEXEC);
    if (!key) {
        return false;
    }
    return signature_fd < 0 ? error_errno(err, errno, "cannot read %s", name)
                            : check(key, key_path, fd, path, signature_fd, name, err);
}
