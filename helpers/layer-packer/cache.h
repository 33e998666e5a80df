// SPDX-License-Identifier: Apache-2.0
/// Downloads, kept in $XDG_CACHE_HOME/runlet/downloads, else ~/.cache/runlet/downloads, under their
/// SHA-256.
///
/// A file gets its name only after its checksum was proven, and is proven again each time.
#pragma once

#include <stdbool.h>

#include "common/error.h"

struct cache {
    /// The folder. Owned.
    char *folder;
};
#define cleanup_cache __attribute__((cleanup(cache_clean_up)))

/// Finds the folder; it is made when something is downloaded.
bool cache_open(struct cache *cache, struct error *err);
void cache_clean_up(struct cache *cache);

/// Opens the file with that checksum (64 lower-case hexadecimal digits), downloading it from `url`
/// if the cache does not have it: https, or http from loopback. A download that was cut is resumed,
/// also by a later call; a 5xx or a cut is tried again, until 30 s pass without a new byte.
/// Returns a descriptor, or -1. `*downloaded` (may be NULL) tells whether the network was used.
int cache_get(const struct cache *cache, const char *url, const char *sha256, bool *downloaded,
              struct error *err);

/// A new file without a name in the cache's folder, for parts of what is in it; -1 on failure.
int cache_temporary(const struct cache *cache, struct error *err);
