// SPDX-License-Identifier: Apache-2.0
/// The runner manager's id that GitLab knows this function by.
#pragma once

#include "common/slice.h"

enum { SYSTEM_ID_SIZE = 15 };

/// Makes `s_` and 12 characters out of the function's ARN, so that all environments of a function,
/// now and after each deployment, are one runner manager in GitLab.
///
/// The version or alias at the ARN's end does not count. Where Lambda gave no ARN (empty), the
/// function's name and region (NULL: unknown) stand in.
void system_id_derive(struct slice function_arn, const char *function_name, const char *region,
                      char id[SYSTEM_ID_SIZE]);
