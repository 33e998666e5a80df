// SPDX-License-Identifier: Apache-2.0
/// Which names an entry of a zip may have: plain paths below the root.
#pragma once

#include "common/slice.h"

/// Lambda unpacks below /opt or /var/task; longer names do not fit in a path there.
enum { ENTRY_NAME_MAX = 4000 };

/// Says why the name (a folder's without its slash) is refused, or NULL: one that is empty,
/// absolute, too long, not UTF-8, that has a NUL, ".", ".." or an empty part in it, or what libzip
/// cannot write.
const char *entry_name_flaw(struct slice name);
