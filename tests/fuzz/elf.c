// SPDX-License-Identifier: Apache-2.0
/// ELF files: any bytes end well, and what is read of them are texts.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layer-packer/elf.h"

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
    for (size_t i = 0; i < elf.needed_count; i++) {
        if (strlen(elf.needed[i]) == 0) {
            abort();
        }
    }
    return 0;
}
