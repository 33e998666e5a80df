// SPDX-License-Identifier: Apache-2.0
/// Included in front of every file that an analyser reads: tells it what common/error.h says in
/// words, that these functions always return false. An analyser sees one file at a time, and would
/// follow paths on which a function failed and yet went on.
#pragma once

#include "common/error.h"

#define error_set(...) ((error_set)(__VA_ARGS__), false)
#define error_errno(...) ((error_errno)(__VA_ARGS__), false)
#define error_prefix(...) ((error_prefix)(__VA_ARGS__), false)
