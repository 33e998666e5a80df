// SPDX-License-Identifier: Apache-2.0
/// Tells terraform and tofu of a provider mirror: their CLI configuration.
///
/// The two look for a provider under a host of their own, registry.terraform.io and
/// registry.opentofu.org, and a mirror has one of them, or both. What it has under one alone is
/// linked under the other, in a folder beside it: tofu follows a link that stands for a provider's
/// platform (or its zip), and none higher up.
#pragma once

#include <stdbool.h>

#include "common/buffer.h"
#include "common/error.h"

/// Appends the text of the configuration: the providers of `mirror` come from it alone, all others
/// from their registries. Makes the folder `links`, which must not be there, where it is needed.
///
/// Fails ("mirror") where the folder cannot be read, has no provider in it, or has more than 4,096
/// entries.
bool mirror_config_make(const char *mirror, const char *links, struct buffer *out,
                        struct error *err);
