// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/elf.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "layer-packer/elf_image.h"

static const struct {
    enum arch arch;
    const char *name;
    uint16_t machine;
} arches[] = {
    {ARCH_X86_64, "x86_64", EM_X86_64},
    {ARCH_ARM64, "arm64", EM_AARCH64},
};

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    {EM_X86_64, "x86_64"},       {EM_AARCH64, "arm64"}, {EM_386, "32-bit x86"},
    {EM_ARM, "32-bit ARM"},      {EM_RISCV, "RISC-V"},  {EM_PPC64, "64-bit PowerPC"},
    {EM_S390, "s390"},           {EM_MIPS, "MIPS"},     {EM_BPF, "BPF"},
    {EM_LOONGARCH, "LoongArch"},
};

const char *arch_name(enum arch arch) {
    for (size_t i = 0; i < ARRAY_LENGTH(arches); i++) {
        if (arches[i].arch == arch) {
            return arches[i].name;
        }
    }
    return "";
}

enum arch arch_parse(const char *name) {
    for (size_t i = 0; i < ARRAY_LENGTH(arches); i++) {
        if (strcmp(arches[i].name, name) == 0) {
            return arches[i].arch;
        }
    }
    return ARCH_NONE;
}

const char *elf_machine_name(const struct elf *elf) {
    if (!elf->is_64_little && (elf->machine == EM_X86_64 || elf->machine == EM_AARCH64)) {
        return "another word size or byte order";
    }
    for (size_t i = 0; i < ARRAY_LENGTH(machines); i++) {
        if (machines[i].machine == elf->machine) {
            return machines[i].name;
        }
    }
    return "another machine";
}

static void read_headers(int fd, const Elf64_Ehdr *header, struct elf *elf) {
    cleanup_elf_image struct elf_image image;
    bool has_dynamic = false;
    if (!elf_image_open(&image, fd, header)) {
        return;
    }
    for (size_t i = 0; i < image.header_count; i++) {
        const Elf64_Phdr *item = &image.headers[i];
        if (item->p_type == PT_INTERP && !elf->interpreter) {
            elf->interpreter = elf_image_text(fd, item->p_offset, item->p_filesz);
        } else if (item->p_type == PT_DYNAMIC && !has_dynamic) {
            has_dynamic = true;
            elf_dynamic_read(&image, item, &elf->dynamic);
        }
    }
}

void elf_read(int fd, struct elf *elf) {
    Elf64_Ehdr header;
    *elf = (struct elf){0};
    memset(&header, 0, sizeof(header));
    // e_ident, e_type and e_machine lie at the same place for every word size.
    if (!elf_image_read(fd, 0, &header, offsetof(Elf64_Ehdr, e_version)) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return;
    }
    elf->is_elf = true;
    elf->is_64_little =
        header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB;
    elf->machine = header.e_ident[EI_DATA] == ELFDATA2MSB ? __builtin_bswap16(header.e_machine)
                                                          : header.e_machine;
    if (!elf->is_64_little) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(arches); i++) {
        if (arches[i].machine == elf->machine) {
            elf->arch = arches[i].arch;
        }
    }
    if (!elf_image_read(fd, 0, &header, sizeof(header))) {
        return;
    }
    read_headers(fd, &header, elf);
    // Some libraries can be run, too: libc tells its version.
    elf->is_program = header.e_type == ET_EXEC || (elf->interpreter && !elf->dynamic.soname);
}

void elf_clean_up(struct elf *elf) {
    elf_dynamic_clean_up(&elf->dynamic);
    free(elf->interpreter);
    *elf = (struct elf){0};
}
