// SPDX-License-Identifier: Apache-2.0
/// What an ELF file asks for: its architecture, interpreter, libraries and versions of symbols.
/// Reads only what it must; the file may be hostile.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layer-packer/elf_dynamic.h"

enum arch { ARCH_NONE, ARCH_X86_64, ARCH_ARM64 };

/// The name as Lambda writes it: "x86_64", "arm64".
const char *arch_name(enum arch arch);
/// ARCH_NONE where it is neither.
enum arch arch_parse(const char *name);

struct elf {
    /// False: no ELF file; nothing else is set.
    bool is_elf;
    /// ARCH_NONE for all others.
    enum arch arch;
    /// e_machine and whether it is a 64-bit little-endian file, for messages.
    uint16_t machine;
    bool is_64_little;
    /// Something to be executed: it is linked to a fixed address, or names an interpreter and, as a
    /// library would, no name of its own.
    bool is_program;
    /// The interpreter's path, or NULL. Owned.
    char *interpreter;
    struct elf_dynamic dynamic;
};
#define cleanup_elf __attribute__((cleanup(elf_clean_up)))

/// Reads the open file `fd`. What does not lie inside the file is taken as not there (as in
/// detached debug information).
void elf_read(int fd, struct elf *elf);
void elf_clean_up(struct elf *elf);
/// "arm64", "32-bit x86", "another machine": for messages.
const char *elf_machine_name(const struct elf *elf);
