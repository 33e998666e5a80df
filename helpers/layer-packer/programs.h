// SPDX-License-Identifier: Apache-2.0
/// Do the programs of a tree run in Lambda?
#pragma once

#include "layer-packer/elf.h"
#include "layer-packer/tree.h"

/// Opens every file, which proves that it can be read, and refuses an ELF file of another
/// architecture than `arch` (ARCH_NONE: any is fine) and an executable that needs an interpreter or
/// a library, itself or by way of the layer's libraries, which neither the tree nor provided.al2023
/// has. Call it after tree_finish().
bool programs_check(const struct tree *tree, enum arch arch, struct error *err);
