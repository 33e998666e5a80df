// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/// Takes the source over.
static zip_t *open_source(zip_source_t *source, zip_error_t *error, struct error *err) {
    zip_t *zip = !source ? NULL : zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, error);
    if (!zip) {
        error_set(err, "zip", "not a good zip: %s", zip_error_strerror(error));
        zip_source_free(source);
    }
    zip_error_fini(error);
    return zip;
}

zip_t *reader_open(int fd, struct error *err) {
    // libzip seeks and closes: that must not be the caller's descriptor.
    cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cleanup_fclose FILE *stream = copy < 0 ? NULL : fdopen(copy, "rb");
    zip_error_t error;
    if (!stream) {
        error_errno(err, errno, "cannot open the zip");
        return NULL;
    }
    (void)steal_fd(&copy);
    if (fseeko(stream, 0, SEEK_SET) != 0) {
        error_errno(err, errno, "cannot open the zip");
        return NULL;
    }
    zip_error_init(&error);
    zip_source_t *source = zip_source_filep_create(stream, 0, -1, &error);
    if (source) {
        stream = NULL;
    }
    return open_source(source, &error, err);
}

void reader_closep(zip_t **zip) {
    if (*zip) {
        zip_discard(*zip);
    }
}

unsigned reader_mode(zip_t *zip, zip_uint64_t index) {
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    const char *name = zip_get_name(zip, index, ZIP_FL_ENC_RAW);
    if (zip_file_get_external_attributes(zip, index, 0, &system, &attributes) != 0 ||
        (system != ZIP_OPSYS_UNIX && system != ZIP_OPSYS_OS_X)) {
        return 0;
    }
    const unsigned mode = attributes >> 16;
    if (mode != 0 && (mode & S_IFMT) == 0 && name) {
        const size_t length = strlen(name);
        return mode | (length > 0 && name[length - 1] == '/' ? S_IFDIR : S_IFREG);
    }
    return mode;
}
