// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"

enum {
    LEAST_KEY_BITS = 2048,
    /// A larger one would only cost time.
    MOST_KEY_BITS = 8192,
    MOST_KEYS = 64,
};

static bool bad_token(struct error *err, const char *what) {
    return error_set(err, "token", "%s", what);
}

// --- base64url ---------------------------------------------------------------------------------

static bool is_base64url(struct slice text) {
    return slice_is_word(text, "-_") && text.len % 4 != 1;
}

/// The alphabet of RFC 4648 section 5, without padding.
static bool decode(struct slice text, struct buffer *out, struct error *err) {
    if (!is_base64url(text)) {
        return error_set(err, "base64", "not base64url");
    }
    cleanup_buffer struct buffer padded = BUFFER_INIT_SENSITIVE((size_t)JWT_LONGEST + 4);
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        buffer_append_byte(&padded, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (padded.len % 4 != 0) {
        buffer_append_byte(&padded, '=');
    }
    return buffer_check(&padded, "base64url", err) &&
           encoding_decode_base64(out, buffer_slice(&padded), err);
}

// --- Tokens --------------------------------------------------------------------------------------

/// "header.claims.signature"
static bool split(struct slice token, struct slice part[3]) {
    struct slice rest = token;
    for (size_t i = 0; i < 3; i++) {
        if (!slice_split(&rest, '.', &part[i]) || part[i].len == 0 || !is_base64url(part[i])) {
            return false;
        }
    }
    struct slice more;
    return !slice_split(&rest, '.', &more);
}

bool jwt_has_shape(struct slice text) {
    struct slice part[3];
    // What `{"` is in base64.
    return text.len <= JWT_LONGEST && slice_starts_with(text, SLICE("eyJ")) && split(text, part);
}

static bool read_part(struct slice part, const char *name, struct json_document *document,
                      struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(JWT_LONGEST);
    struct error reason;
    // The parser's message may quote what it did not like.
    return (decode(part, &text, &reason) &&
            json_parse(buffer_slice(&text), name, document, &reason) &&
            json_as_object(&document->root, &reason)) ||
           error_set(err, "token", "the token's %s is not a JSON object", name);
}

static bool read_header(struct jwt *jwt, struct error *err) {
    const struct json *header = &jwt->header.root;
    struct error reason;
    struct slice algorithm;
    if (!json_get_string(header, "alg", &algorithm, &reason) ||
        !slice_equal_text(algorithm, "RS256")) {
        return bad_token(err, "the token is not signed with RS256, as GitLab's are");
    }
    // Case does not matter to cJSON here, and need not: either way it is refused.
    if (cJSON_HasObjectItem(header->node, "crit")) {
        return bad_token(err, "the token's header asks for extensions (crit)");
    }
    if (!json_get_string(header, "kid", &jwt->key_id, &reason) || jwt->key_id.len == 0) {
        return bad_token(err, "the token's header does not say which key signed it (kid)");
    }
    return true;
}

bool jwt_parse(struct slice token, struct jwt *jwt, struct error *err) {
    struct slice part[3];
    buffer_init(&jwt->signature, MOST_KEY_BITS / 8);
    if (token.len > JWT_LONGEST) {
        return error_set(err, "token", "the token is longer than %d bytes", JWT_LONGEST);
    }
    if (!split(token, part)) {
        return bad_token(err, "it is not a token: it does not have three parts of base64url");
    }
    jwt->signed_part = slice_make(token.data, part[0].len + 1 + part[1].len);
    struct error reason;
    if (!read_part(part[0], "header", &jwt->header, err) || !read_header(jwt, err) ||
        !read_part(part[1], "claims", &jwt->claims, err)) {
        return false;
    }
    return decode(part[2], &jwt->signature, &reason) ||
           bad_token(err, "the token's signature is longer than that of any key");
}

void jwt_clean_up(struct jwt *jwt) {
    buffer_clean_up(&jwt->signature);
    json_document_clean_up(&jwt->header);
    json_document_clean_up(&jwt->claims);
    *jwt = (struct jwt){0};
}

// --- Keys ----------------------------------------------------------------------------------------

struct key {
    char *id;
    EVP_PKEY *key;
};

struct jwt_keys {
    struct key list[MOST_KEYS];
    size_t count;
};

void jwt_keys_destroy(struct jwt_keys *keys) {
    for (size_t i = 0; keys && i < keys->count; i++) {
        free(keys->list[i].id);
        EVP_PKEY_free(keys->list[i].key);
    }
    free(keys);
}

void jwt_keys_destroyp(struct jwt_keys **keys) {
    jwt_keys_destroy(*keys);
}

/// Where the member is there, it is this text.
static bool is_or_unset(const struct json *object, const char *key, const char *expected) {
    struct error reason;
    struct slice text;
    return !json_has(object, key) ||
           (json_get_string(object, key, &text, &reason) && slice_equal_text(text, expected));
}

static BIGNUM *read_number(const struct json *object, const char *key) {
    cleanup_buffer struct buffer bytes = BUFFER_INIT(MOST_KEY_BITS / 8);
    struct error reason;
    struct slice text;
    if (!json_get_string(object, key, &text, &reason) || text.len == 0 ||
        !decode(text, &bytes, &reason)) {
        return NULL;
    }
    return BN_bin2bn((const unsigned char *)bytes.data, (int)bytes.len, NULL);
}

static EVP_PKEY *make_key(const BIGNUM *modulus, const BIGNUM *exponent) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    const bool made = builder && context &&
                      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
                      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1 &&
                      (parameters = OSSL_PARAM_BLD_to_param(builder)) &&
                      EVP_PKEY_fromdata_init(context) == 1 &&
                      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    return made ? key : NULL;
}

/// NULL where it is not for us.
static EVP_PKEY *read_key(const struct json *object) {
    if (!json_has(object, "kty") || !is_or_unset(object, "kty", "RSA") ||
        !is_or_unset(object, "use", "sig") || !is_or_unset(object, "alg", "RS256")) {
        return NULL;
    }
    BIGNUM *modulus = read_number(object, "n");
    BIGNUM *exponent = read_number(object, "e");
    EVP_PKEY *key = NULL;
    // An exponent of 1 would take any text for its own signature.
    if (modulus && exponent && BN_num_bits(modulus) >= LEAST_KEY_BITS && BN_is_odd(modulus) &&
        BN_is_odd(exponent) && !BN_is_one(exponent) && BN_num_bits(exponent) <= 64) {
        key = make_key(modulus, exponent);
    }
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

struct jwt_keys *jwt_keys_parse(struct slice text, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    struct json list;
    if (!json_parse(text, "keys", &document, err) ||
        !json_get_array(&document.root, "keys", &list, err)) {
        return NULL;
    }
    struct jwt_keys *keys = xcalloc(1, sizeof(*keys));
    struct json_iterator it = {0};
    while (json_each(&list, &it) && keys->count < MOST_KEYS) {
        struct error reason;
        struct slice id;
        if (json_as_object(&it.value, &reason) && json_get_string(&it.value, "kid", &id, &reason) &&
            id.len > 0) {
            EVP_PKEY *key = read_key(&it.value);
            if (key) {
                keys->list[keys->count++] = (struct key){.id = slice_copy(id), .key = key};
            }
        }
    }
    return keys;
}

// --- Signature -----------------------------------------------------------------------------------

static bool signed_by(const struct jwt *jwt, EVP_PKEY *key) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool good =
        context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(context, (const unsigned char *)jwt->signature.data, jwt->signature.len,
                         (const unsigned char *)jwt->signed_part.data, jwt->signed_part.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

bool jwt_verify(const struct jwt *jwt, const struct jwt_keys *keys, struct error *err) {
    for (size_t i = 0; i < keys->count; i++) {
        if (slice_equal_text(jwt->key_id, keys->list[i].id)) {
            return signed_by(jwt, keys->list[i].key) ||
                   error_set(err, "signature", "the token's signature is not that of GitLab's key");
        }
    }
    return error_set(err, "key", "the token is signed by a key that GitLab does not publish");
}
