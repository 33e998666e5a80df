// SPDX-License-Identifier: Apache-2.0
/// The shared libraries that the runtime provided.al2023 has.
#pragma once

#include <stdbool.h>

#include "layer-packer/elf.h"

/// Tells whether a program of `arch` finds the library `name` ("libc.so.6") there.
bool provided_has_library(enum arch arch, const char *name);
/// Tells whether the program interpreter at that path is there.
bool provided_has_interpreter(enum arch arch, const char *path);
