// SPDX-License-Identifier: Apache-2.0
/// Where the dynamic loader looks for a library, in Lambda.
#pragma once

#include "layer-packer/loaded.h"
#include "layer-packer/provided.h"
#include "layer-packer/warnings.h"

struct search {
    const struct contents *contents;
    const struct provided_more *more;
    struct warnings *warnings;
    /// Of the program.
    enum arch arch;
    bool is_musl;
    bool has_warned;
    /// The folders that were looked into, so far.
    uint64_t steps;
};

/// Looks for the library that `object` needs by that name. What is found is the caller's.
struct object search_library(struct search *search, const struct object *object, const char *name);
/// Looks at a path.
struct object search_path(struct search *search, const char *path);
