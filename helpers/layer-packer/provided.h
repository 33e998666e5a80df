// SPDX-License-Identifier: Apache-2.0
/// What the runtime provided.al2023 has for programs: libraries, versions of their symbols,
/// interpreters.
#pragma once

#include <stdbool.h>

#include "common/slice.h"
#include "layer-packer/elf.h"

/// Tells whether a program of `arch` finds the library `name` ("libc.so.6") there.
bool provided_has_library(enum arch arch, const char *name);
/// Tells whether that library, which is there, has that version of symbols ("GLIBC_2.34").
bool provided_has_version(enum arch arch, const char *library, const char *version);
/// The newest that it has of the version's kind ("GLIBC_2.34"), or NULL where it has none.
const char *provided_newest_version(enum arch arch, const char *library, const char *version);
/// Tells whether the program interpreter at that path is there.
bool provided_has_interpreter(enum arch arch, const char *path);
/// Tells whether a script finds that program, a path ("/bin/sh") or a name to be looked for in
/// PATH.
bool provided_has_command(struct slice command);

/// What the user says is there as well: another layer has it, or the runtime is another one. Zeroed
/// is empty.
struct provided_more {
    /// The array is owned, the texts are borrowed.
    const char **names;
    size_t count;
};

void provided_more_clean_up(struct provided_more *more);
void provided_more_add(struct provided_more *more, const char *name);
/// `more` may be NULL.
bool provided_more_has(const struct provided_more *more, struct slice name);
