// SPDX-License-Identifier: Apache-2.0
/// What an ELF file tells the dynamic loader: the libraries that it needs, where it wants them
/// looked for, and the versions of symbols that it needs and has. Found by way of the program
/// headers alone, as the loader does: section headers may be stripped.
/// Source:
/// https://refspecs.linuxbase.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
#pragma once

#include "layer-packer/elf_image.h"

/// `name` ("GLIBC_2.34") of the library `file` ("libc.so.6"). Both owned.
struct elf_version {
    char *file;
    char *name;
};

struct elf_dynamic {
    /// DT_SONAME, DT_RPATH and DT_RUNPATH, or NULL. Owned.
    char *soname;
    char *rpath;
    char *runpath;
    /// DT_NEEDED, in order. Owned.
    char **needed;
    size_t needed_count;
    /// DT_VERNEED, in order, without those that the loader goes on without (weak ones). Owned.
    struct elf_version *versions;
    size_t version_count;
    /// DT_VERDEF; none: the loader lets every version pass. Owned.
    char **defined;
    size_t defined_count;
    /// Of all these texts.
    size_t text_size;
};

/// Reads what `header`, a PT_DYNAMIC, names, in bounded memory. `dynamic` is zeroed.
void elf_dynamic_read(const struct elf_image *image, const Elf64_Phdr *header,
                      struct elf_dynamic *dynamic);
/// Tells whether a library lets that version of symbols pass: it has it, or has no versions at all.
bool elf_dynamic_defines(const struct elf_dynamic *dynamic, const char *version);
void elf_dynamic_clean_up(struct elf_dynamic *dynamic);
