// SPDX-License-Identifier: Apache-2.0
/// Provider mirrors: any bytes are either refused, or unpacked to exactly what the manifest says
/// and to nothing outside of their folder.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootstrap/workspace/mirror_unpack.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"

/// A folder in a folder of its own, in which nothing else may appear.
static char outer[] = "/tmp/fuzz-mirror-XXXXXX";
static char *inner;

static void must(bool good) {
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int zip = -1;
    if (zip < 0) {
        zip = memfd_create("zip", MFD_CLOEXEC);
        must(mkdtemp(outer) != NULL);
        inner = xasprintf("%s/inner", outer);
    }
    struct error err;
    must(ftruncate(zip, (off_t)size) == 0 && pwrite(zip, data, size, 0) == (ssize_t)size);
    must(mkdir(inner, 0700) == 0);
    cleanup_close int folder = open(inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t unpacked = 0;
    if (mirror_unpack(zip, folder, 0, &manifest, &unpacked, &err)) {
        must(mirror_manifest_verify(&manifest, folder, 0, &err));
    }
    // Nothing but the folder: it can be removed, and then the outer one is empty.
    struct error ignored;
    must(files_empty_directory(inner, NULL, 0, &ignored));
    must(rmdir(inner) == 0 && rmdir(outer) == 0 && mkdir(outer, 0700) == 0);
    return 0;
}
