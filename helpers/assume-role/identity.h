// SPDX-License-Identifier: Apache-2.0
/// --check: who one is, and until when.
#pragma once

#include <stdbool.h>

#include "assume-role/connection.h"
#include "common/buffer.h"
#include "common/error.h"

/// Asks STS whom the keys belong to, and appends the answer as text or JSON.
bool identity_check(struct connection *connection, const struct aws_credentials *credentials,
                    bool as_json, struct buffer *out, struct error *err);
