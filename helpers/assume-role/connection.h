// SPDX-License-Identifier: Apache-2.0
/// What all calls of a run share: the keys to start from, one client whose knowledge of the
/// server's clock holds for every hop, and the time after which it gives up.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aws/calls.h"
#include "common/aws/chain/chain.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/http/http.h"

/// All borrowed for the life of the connection; NULL where not given.
struct connection_options {
    const char *profile;
    const char *region;
    const char *endpoint_url;
    /// Without: the first call goes by a web identity token, so no keys are looked for.
    bool needs_keys;
    /// Sessions may come from the cache.
    bool use_cache;
};

struct connection {
    struct clock *clock;
    struct http_trust *trust;
    struct http_client *http;
    struct aws_client *client;
    /// That asked for; STS itself may be in another (chain_place_sts()).
    char *region;
    /// The keys to start from; none where the first role goes by a token.
    struct chain_found start;
    int64_t deadline_ms;
    bool use_cache;
};
#define cleanup_connection __attribute__((cleanup(connection_close)))

/// Finds region, endpoint, CA file and keys. `connection` is initialised here and to be closed by
/// the caller, on failure too.
bool connection_open(const struct connection_options *options, struct connection *connection,
                     struct error *err);
void connection_close(struct connection *connection);
