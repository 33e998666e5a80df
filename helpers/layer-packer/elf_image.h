// SPDX-License-Identifier: Apache-2.0
/// The bytes of a 64-bit little-endian ELF file by place and by address. The file may be hostile:
/// what does not lie inside it is taken as not there.
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image {
    int fd;
    /// Owned.
    Elf64_Phdr *headers;
    size_t header_count;
};
#define cleanup_elf_image __attribute__((cleanup(elf_image_clean_up)))

/// Reads the program headers that `header` names; false where they are not there.
bool elf_image_open(struct elf_image *image, int fd, const Elf64_Ehdr *header);
void elf_image_clean_up(struct elf_image *image);

/// All of `size` bytes at the place, or false.
bool elf_image_read(int fd, uint64_t offset, void *into, size_t size);
/// The text at the place up to its NUL, which is among the next `max` bytes and 4096; NULL where
/// there is none or it is empty. Owned by the caller.
char *elf_image_text(int fd, uint64_t offset, uint64_t max);
/// Where in the file the address is, by the loaded segments; UINT64_MAX if nowhere.
uint64_t elf_image_offset(const struct elf_image *image, uint64_t address);
