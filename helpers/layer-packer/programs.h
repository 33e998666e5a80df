// SPDX-License-Identifier: Apache-2.0
/// Do the programs of a tree run in Lambda?
#pragma once

#include "layer-packer/contents.h"
#include "layer-packer/provided.h"
#include "layer-packer/warnings.h"

struct programs_options {
    /// ARCH_NONE: any is fine.
    enum arch arch;
    struct provided_more more;
};

/// Opens every file by way of `access`, and refuses
/// - an ELF file for another architecture;
/// - an executable whose interpreter is missing, whose libraries are missing or lie where the
///   loader does not look, or which needs versions of symbols that those do not have; a library,
///   too, for versions of the image's (loader.h);
/// - a script that the kernel cannot run (script.h), or whose interpreter is missing: where it does
///   not lie where programs do that is a warning, and in share/ not even that;
/// - `bootstrap` and the files of extensions/ where they are no programs.
/// What there is: the tree, provided.al2023 and `options->more`. Call it after links_check().
bool programs_check(const struct tree *tree, const struct contents_access *access,
                    const struct programs_options *options, struct warnings *warnings,
                    struct error *err);
