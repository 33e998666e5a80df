// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"

/// A hidden name beside `path` that nobody has.
static char *name_beside(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    char random[FILES_RANDOM_NAME_SIZE];
    files_random_name(random);
    // Eight digits keep the name short enough beside any other.
    random[8] = '\0';
    return xasprintf("%.*s.%.200s.%s", (int)(base - path), path, base, random);
}

/// The way to name a file that has none; to be released with free().
static char *magic_link(int fd) {
    return xasprintf("/proc/self/fd/%d", fd);
}

/// A file without a name, which the kernel removes if we die; -1 where that cannot be had.
static int open_nameless(const char *path) {
    const char *slash = strrchr(path, '/');
    cleanup_free char *folder =
        !slash ? xstrdup(".") : slice_copy(slice_make(path, (size_t)(slash + 1 - path)));
    cleanup_close int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0) {
        return -1;
    }
    // Without /proc it could not be named in the end.
    cleanup_free char *link = magic_link(fd);
    return access(link, F_OK) == 0 ? steal_fd(&fd) : -1;
}

bool output_open(const char *path, struct output *output, struct error *err) {
    *output = (struct output){.fd = open_nameless(path), .path = path};
    if (output->fd >= 0) {
        return true;
    }
    char *name = name_beside(path);
    output->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (output->fd < 0) {
        error_errno(err, errno, "cannot write %s", path);
        free(name);
        return false;
    }
    output->temporary = name;
    return true;
}

bool output_keep(struct output *output, struct error *err) {
    if (!output->temporary) {
        cleanup_free char *link = magic_link(output->fd);
        char *name = name_beside(output->path);
        if (linkat(AT_FDCWD, link, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0) {
            error_errno(err, errno, "cannot write %s", output->path);
            free(name);
            return false;
        }
        output->temporary = name;
    }
    if (!files_rename_durably(output->temporary, output->path, err)) {
        return false;
    }
    free(output->temporary);
    output->temporary = NULL;
    return true;
}

void output_clean_up(struct output *output) {
    if (output->temporary) {
        (void)unlink(output->temporary);
        free(output->temporary);
        output->temporary = NULL;
    }
    cleanup_closep(&output->fd);
    output->fd = -1;
}
