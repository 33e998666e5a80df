// SPDX-License-Identifier: Apache-2.0
/// Sessions that are still good, one file each: ~/.cache/runlet/<hash>.json, of mode 0600 in a
/// folder of mode 0700.
///
/// The file is locked while somebody calls STS for it, so that those who come meanwhile wait and
/// take what that one got. What is not a plain file of our own user's is not looked at.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aws/sts.h"
#include "common/clock.h"
#include "common/error.h"

/// A session is not given out in its last five minutes.
enum { SESSION_CACHE_MARGIN_MS = 5 * 60 * 1000 };

struct session_cache {
    /// -1: there is no place to write; then the functions below do nothing.
    int fd;
    struct clock *clock;
    char *key;
};
#define SESSION_CACHE_INIT                                                                         \
    { .fd = -1 }
#define cleanup_session_cache __attribute__((cleanup(session_cache_close)))

/// Opens or makes the file of a key (hexadecimal, and kept in the file as well, since others may
/// have renamed it) under $XDG_CACHE_HOME/runlet, else
/// ~/.cache/runlet. On false there is no cache, and the message says why.
bool session_cache_open(struct session_cache *cache, const char *key, struct clock *clock,
                        struct error *err);
/// Takes a fresh session out. Where there is none, the file is locked for us from then on, unless
/// others held it until `deadline_ms`. `session` is zeroed before, and stays so on false.
bool session_cache_get(struct session_cache *cache, int64_t deadline_ms,
                       struct sts_session *session);
/// Puts one in, where the file is locked for us. `skew_ms` is how far the server's clock is ahead.
/// True also where there is no cache.
bool session_cache_put(struct session_cache *cache, const struct sts_session *session,
                       int64_t skew_ms, struct error *err);
/// Gives the lock back.
void session_cache_close(struct session_cache *cache);
