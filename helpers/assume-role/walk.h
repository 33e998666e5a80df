// SPDX-License-Identifier: Apache-2.0
/// The walk from hop to hop: each role is assumed with the session of the one before.
#pragma once

#include <stdbool.h>

#include "assume-role/connection.h"
#include "assume-role/hops.h"
#include "common/aws/sts.h"
#include "common/error.h"

/// Gives the last hop's session, from the cache where that is allowed and it holds a fresh one.
/// `session` is initialised here and to be cleaned up by the caller, on failure too. Errors name
/// the hop; `*hint` is what to do about one, or NULL.
bool walk_run(struct connection *connection, const struct hops *hops, struct sts_session *session,
              const char **hint, struct error *err);
