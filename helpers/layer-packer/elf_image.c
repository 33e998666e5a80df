// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/elf_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/slice.h"

enum {
    MAX_PROGRAM_HEADERS = 4096,
    MAX_TEXT = 4096,
};

/// As much of `size` bytes as there is.
static size_t read_some(int fd, uint64_t offset, char *into, size_t size) {
    size_t done = 0;
    while (done < size && offset <= (uint64_t)INT64_MAX - size) {
        const ssize_t count = pread(fd, into + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        done += (size_t)count;
    }
    return done;
}

bool elf_image_read(int fd, uint64_t offset, void *into, size_t size) {
    return read_some(fd, offset, into, size) == size;
}

char *elf_image_text(int fd, uint64_t offset, uint64_t max) {
    char text[MAX_TEXT];
    const size_t count = read_some(fd, offset, text, max < sizeof(text) ? max : sizeof(text));
    const char *end = memchr(text, '\0', count);
    return end && end > text ? slice_copy(slice_make(text, (size_t)(end - text))) : NULL;
}

uint64_t elf_image_offset(const struct elf_image *image, uint64_t address) {
    for (size_t i = 0; i < image->header_count; i++) {
        const Elf64_Phdr *header = &image->headers[i];
        if (header->p_type == PT_LOAD && address >= header->p_vaddr &&
            address - header->p_vaddr < header->p_filesz) {
            return header->p_offset + (address - header->p_vaddr);
        }
    }
    return UINT64_MAX;
}

bool elf_image_open(struct elf_image *image, int fd, const Elf64_Ehdr *header) {
    *image = (struct elf_image){.fd = fd};
    if (header->e_phentsize != sizeof(*image->headers) || header->e_phnum > MAX_PROGRAM_HEADERS) {
        return false;
    }
    const size_t count = header->e_phnum;
    image->headers = xcalloc(count + 1, sizeof(*image->headers));
    if (!elf_image_read(fd, header->e_phoff, image->headers, count * sizeof(*image->headers))) {
        return false;
    }
    image->header_count = count;
    return true;
}

void elf_image_clean_up(struct elf_image *image) {
    free(image->headers);
    *image = (struct elf_image){.fd = -1};
}
