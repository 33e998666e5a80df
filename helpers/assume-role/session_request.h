// SPDX-License-Identifier: Apache-2.0
/// Sessions by way of the cache: STS is called where it holds no fresh one of the same request.
///
/// Two requests are the same where endpoint, region, the keys (or token) to start from and all that
/// is asked of each role are. Keys and tokens are compared whole, not by whose they say they are:
/// a session is given to nobody who does not hold what it was had with.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/calls.h"
#include "common/aws/sts.h"
#include "common/clock.h"
#include "common/error.h"

/// All borrowed for the time of the call.
struct session_request {
    struct aws_client *client;
    /// Each assumed with the session of the one before it, the first with its own credentials or
    /// token.
    const struct sts_assume *roles;
    size_t role_count;
    struct clock *clock;
    int64_t deadline_ms;
    bool use_cache;
    /// Calls STS for a session of the last role. `session` is zeroed before.
    bool (*call)(const struct session_request *request, struct sts_session *session,
                 struct error *err);
    /// The call's own.
    const void *context;
};

/// `session` is initialised here and to be cleaned up by the caller, on failure too. Of those who
/// make the same request at once, one calls STS and the others wait for it. Fails as `call` does.
bool session_request_send(const struct session_request *request, struct sts_session *session,
                          struct error *err);
