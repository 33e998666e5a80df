// SPDX-License-Identifier: Apache-2.0
#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cleanup_freep(void *pointer) {
    // The variable may be of any pointer type: copied as bytes, it is aliased legally.
    void *memory = NULL;
    memcpy(&memory, pointer, sizeof(memory));
    free(memory);
}

void cleanup_closep(const int *fd) {
    if (*fd >= 0) {
        const int saved = errno;
        (void)close(*fd);
        errno = saved;
    }
}

void cleanup_fclosep(FILE **file) {
    if (*file) {
        const int saved = errno;
        (void)fclose(*file);
        errno = saved;
    }
}

void cleanup_closedirp(DIR **directory) {
    if (*directory) {
        const int saved = errno;
        (void)closedir(*directory);
        errno = saved;
    }
}

int steal_fd(int *fd) {
    const int taken = *fd;
    *fd = -1;
    return taken;
}

void *steal_pointer(void *pointer) {
    void *taken = NULL;
    memcpy(&taken, pointer, sizeof(taken));
    memset(pointer, 0, sizeof(taken));
    return taken;
}
