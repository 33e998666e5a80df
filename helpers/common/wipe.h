// SPDX-License-Identifier: Apache-2.0
/// Memory that is wiped before it is given back, for libraries that our secrets pass through: they
/// copy them as they like, and only their allocator sees every copy.
///
/// json.h hands it to cJSON and http.h to libcurl. libmicrohttpd takes no allocator: it maps the
/// pages of each connection and unmaps them, and bodies are released by us.
#pragma once

#include <stddef.h>

/// free(), for memory of malloc() and its like; NULL is fine.
void wipe_free(void *memory);
/// realloc() that always moves, so that the old block can be wiped. NULL where there is no memory.
void *wipe_realloc(void *memory, size_t size);

/// Hands it to OpenSSL. To be called first in main(): the program is aborted where OpenSSL has
/// memory already, which it would then release in the wrong place.
/// Source: https://docs.openssl.org/3.0/man3/OPENSSL_malloc/
void wipe_openssl(void);
