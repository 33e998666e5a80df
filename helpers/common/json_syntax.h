// SPDX-License-Identifier: Apache-2.0
/// Whether a text is JSON, told without building what it says: in constant memory but for one bit
/// for each level of nesting, whatever its size and depth.
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/slice.h"

/// True if `text` is one JSON object as RFC 8259 has it, with blanks around it at most. What
/// json_parse refuses for cJSON's sake (\u0000, deep nesting, half a surrogate pair) is fine here.
/// Else `err` (code "json") says from which byte on it is none.
bool json_is_object(struct slice text, struct error *err);
