// SPDX-License-Identifier: Apache-2.0
/// Tokens that somebody signed (JWT, RFC 7519), and the keys to check them with (JWKS, RFC 7517).
///
/// One algorithm, RS256, whatever a token's header asks for, and only keys of the given set: what a
/// header says of other keys (`jwk`, `jku`, `x5c`) is not looked at. No I/O. Messages show nothing
/// of a token but the names of its parts.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/json.h"
#include "common/slice.h"

/// The longest token that is read; STS takes none that is longer.
enum { JWT_LONGEST = 20000 };

/// Tells whether the text has the shape of a token: three parts of base64url, a JSON object first.
bool jwt_has_shape(struct slice text);

/// A token as it was sent: nothing of it is to be believed before jwt_verify().
struct jwt {
    /// Header and claims in their encoding, borrowed from the token.
    struct slice signed_part;
    struct buffer signature;
    /// The header's `kid`, borrowed from it.
    struct slice key_id;
    struct json_document header;
    struct json_document claims;
};
#define cleanup_jwt __attribute__((cleanup(jwt_clean_up)))

/// Reads it into the zeroed `jwt`, which the caller cleans up in any case. Fails with the code
/// "token": no token, another algorithm than RS256, no `kid`, extensions that must be understood.
bool jwt_parse(struct slice token, struct jwt *jwt, struct error *err);
void jwt_clean_up(struct jwt *jwt);

/// Public keys.
struct jwt_keys;
#define cleanup_jwt_keys __attribute__((cleanup(jwt_keys_destroyp)))

/// Reads a JWK set: the RSA keys of at least 2,048 bits that may check RS256 signatures; others are
/// left out. NULL (code "json") where it is no set at all.
struct jwt_keys *jwt_keys_parse(struct slice text, struct error *err);
void jwt_keys_destroy(struct jwt_keys *keys);
void jwt_keys_destroyp(struct jwt_keys **keys);

/// Tells whether one of the keys signed it. Fails with the code "key" where none has its id, with
/// "signature" where it did not.
bool jwt_verify(const struct jwt *jwt, const struct jwt_keys *keys, struct error *err);
