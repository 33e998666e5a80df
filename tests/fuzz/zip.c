// SPDX-License-Identifier: Apache-2.0
/// Zips: any bytes are either refused or give an archive that was read whole, within its limit.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/zip/reader.h"
#include "layer-packer/inspect.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error err;
    struct inspection inspection;
    cleanup_warnings struct warnings warnings = {0};
    static const struct inspect_options options = {.max_unzipped = LIMIT};
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("zip", MFD_CLOEXEC);
    }
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) {
        abort();
    }
    cleanup_reader struct reader reader = {0};
    if (reader_open(&reader, fd, &err) &&
        inspect_zip(&reader, &options, &inspection, &warnings, &err) &&
        (inspection.unzipped_size > LIMIT || inspection.entries > size)) {
        abort();
    }
    return 0;
}
