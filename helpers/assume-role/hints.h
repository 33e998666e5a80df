// SPDX-License-Identifier: Apache-2.0
/// What to do about STS's refusals, where their words tell.
#pragma once

#include "common/aws/sts.h"
#include "common/error.h"

/// A sentence or two for the error of an AssumeRole, or NULL. `assume` is what was asked for; NULL:
/// another call of STS.
const char *hints_for(const struct error *err, const struct sts_assume *assume);
