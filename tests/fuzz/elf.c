// SPDX-License-Identifier: Apache-2.0
/// ELF files: any bytes end well, and what is read of them are texts.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layer-packer/elf.h"

static void must_be_text(const char *text) {
    if (strlen(text) == 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("elf", MFD_CLOEXEC);
    }
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) {
        abort();
    }
    cleanup_elf struct elf elf;
    elf_read(fd, &elf);
    const struct elf_dynamic *dynamic = &elf.dynamic;
    for (size_t i = 0; i < dynamic->needed_count; i++) {
        must_be_text(dynamic->needed[i]);
    }
    for (size_t i = 0; i < dynamic->version_count; i++) {
        must_be_text(dynamic->versions[i].file);
        must_be_text(dynamic->versions[i].name);
    }
    for (size_t i = 0; i < dynamic->defined_count; i++) {
        must_be_text(dynamic->defined[i]);
    }
    return 0;
}
