// SPDX-License-Identifier: Apache-2.0
#pragma once

/// How many elements an array has.
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
