// SPDX-License-Identifier: Apache-2.0
/// Zips: any bytes are either refused or give an archive that was read whole, within its limit.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layer-packer/inspect.h"
#include "layer-packer/reader.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error err;
    struct inspection inspection;
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("zip", MFD_CLOEXEC);
    }
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) {
        abort();
    }
    cleanup_reader zip_t *zip = reader_open(fd, &err);
    if (zip != NULL && inspect_zip(fd, zip, size, LIMIT, false, &inspection, &err) &&
        (inspection.unzipped_size > LIMIT || inspection.entries > size)) {
        abort();
    }
    return 0;
}
