// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/slice.h"

enum {
    MAX_PROGRAM_HEADERS = 4096,
    MAX_DYNAMIC = 16 * 1024,
    MAX_NEEDED = 1024,
    MAX_TEXT = 4096,
};

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

/// All of `size` bytes at `offset`, or false.
static bool read_at(int fd, uint64_t offset, void *into, size_t size) {
    char *at = into;
    while (size > 0) {
        if (offset > INT64_MAX - size) {
            return false;
        }
        const ssize_t count = pread(fd, at, size, (off_t)offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        at += count;
        offset += (uint64_t)count;
        size -= (size_t)count;
    }
    return true;
}

/// The text at `offset` up to its NUL, at most MAX_TEXT bytes; NULL where there is none.
static char *read_text(int fd, uint64_t offset, uint64_t max) {
    char text[MAX_TEXT];
    size_t length = 0;
    while (length < sizeof(text) && length < max &&
           read_at(fd, offset + length, &text[length], 1)) {
        if (text[length] == '\0') {
            return length > 0 ? xstrdup(text) : NULL;
        }
        length++;
    }
    return NULL;
}

struct headers {
    Elf64_Phdr *items;
    size_t count;
};

/// Where in the file the address is, by the loaded segments; UINT64_MAX if nowhere.
static uint64_t offset_of(const struct headers *headers, uint64_t address) {
    for (size_t i = 0; i < headers->count; i++) {
        const Elf64_Phdr *header = &headers->items[i];
        if (header->p_type == PT_LOAD && address >= header->p_vaddr &&
            address - header->p_vaddr < header->p_filesz) {
            return header->p_offset + (address - header->p_vaddr);
        }
    }
    return UINT64_MAX;
}

static void read_needed(int fd, const struct headers *headers, const Elf64_Phdr *dynamic,
                        struct elf *elf) {
    size_t count = dynamic->p_filesz / sizeof(Elf64_Dyn);
    count = count < MAX_DYNAMIC ? count : MAX_DYNAMIC;
    cleanup_free Elf64_Dyn *items = xcalloc(count + 1, sizeof(*items));
    if (!read_at(fd, dynamic->p_offset, items, count * sizeof(*items))) {
        return;
    }
    uint64_t names = UINT64_MAX;
    uint64_t names_size = 0;
    for (size_t i = 0; i < count && items[i].d_tag != DT_NULL; i++) {
        if (items[i].d_tag == DT_STRTAB) {
            names = offset_of(headers, items[i].d_un.d_ptr);
        } else if (items[i].d_tag == DT_STRSZ) {
            names_size = items[i].d_un.d_val;
        }
    }
    if (names == UINT64_MAX) {
        return;
    }
    elf->needed = xcalloc(MAX_NEEDED, sizeof(*elf->needed));
    for (size_t i = 0; i < count && items[i].d_tag != DT_NULL; i++) {
        const uint64_t at = items[i].d_un.d_val;
        if (items[i].d_tag != DT_NEEDED || at >= names_size || elf->needed_count == MAX_NEEDED) {
            continue;
        }
        char *name = read_text(fd, names + at, names_size - at);
        if (name) {
            elf->needed[elf->needed_count++] = name;
        }
    }
}

void elf_read(int fd, struct elf *elf) {
    Elf64_Ehdr header;
    *elf = (struct elf){0};
    memset(&header, 0, sizeof(header));
    // e_ident, e_type and e_machine lie at the same place for every word size.
    if (!read_at(fd, 0, &header, offsetof(Elf64_Ehdr, e_version)) ||
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
    if (!read_at(fd, 0, &header, sizeof(header)) || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phnum > MAX_PROGRAM_HEADERS) {
        return;
    }
    elf->is_program = header.e_type == ET_EXEC;
    struct headers headers = {.count = header.e_phnum};
    cleanup_free Elf64_Phdr *items = xcalloc(headers.count + 1, sizeof(*items));
    headers.items = items;
    if (!read_at(fd, header.e_phoff, items, headers.count * sizeof(*items))) {
        return;
    }
    for (size_t i = 0; i < headers.count; i++) {
        if (items[i].p_type == PT_INTERP && !elf->interpreter) {
            elf->is_program = true;
            elf->interpreter = read_text(fd, items[i].p_offset, items[i].p_filesz);
        } else if (items[i].p_type == PT_DYNAMIC && !elf->needed) {
            read_needed(fd, &headers, &items[i], elf);
        }
    }
}

void elf_clean_up(struct elf *elf) {
    for (size_t i = 0; i < elf->needed_count; i++) {
        free(elf->needed[i]);
    }
    free((void *)elf->needed);
    free(elf->interpreter);
    *elf = (struct elf){0};
}
