// SPDX-License-Identifier: Apache-2.0
/// Points in time as text, always UTC, in milliseconds since the Unix epoch.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

enum { TIMESTAMP_SIZE = 32 };
/// A formatted time, as a value.
struct timestamp {
    char text[TIMESTAMP_SIZE];
};

/// "2026-11-24T02:05:45.123Z". Years outside 0 to 9999 are clamped.
struct timestamp timestamp_rfc3339(int64_t epoch_ms);
/// "2026-11-24T02:05:45Z"
struct timestamp timestamp_rfc3339_seconds(int64_t epoch_ms);
/// "20261124T020545Z", as AWS signatures want it.
struct timestamp timestamp_basic(int64_t epoch_ms);

/// Reads ISO 8601, extended or basic, with optional fraction, and "Z" or an offset (none is UTC).
bool timestamp_parse(struct slice text, int64_t *epoch_ms);
/// Reads a date of an HTTP header, such as "Tue, 24 Nov 2026 02:05:45 GMT".
bool timestamp_parse_http(struct slice text, int64_t *epoch_ms);
