// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/slice.h"

/// What gitlab-runner calls the trace's file begins so.
#define TRACE_NAME "trace"
/// The words with which it ends a trace that has reached its limit.
static const int64_t LAST_WORDS = INT64_C(64) << 10;
/// gitlab-runner makes the file before it starts anything of the job, and nothing is beside it
/// then. What comes later may be the job's own, and of any number.
enum { MOST_TRIES = 50, MOST_NAMES = 64 };
/// With less than this left nothing works any more.
static const uint64_t LEAST_BYTES = (uint64_t)64 << 10;

enum space_state space_judge(const struct statvfs *numbers) {
    if ((uint64_t)numbers->f_bavail * numbers->f_frsize < LEAST_BYTES) {
        return SPACE_NO_BYTES;
    }
    return numbers->f_files > 0 && numbers->f_favail == 0 ? SPACE_NO_FILES : SPACE_LEFT;
}

// --- Room for the trace --------------------------------------------------------------------------

/// False where this is no file of a trace. What the job puts there in its place is never followed
/// nor waited for.
static bool reserve_in(int folder, const char *name, int64_t bytes) {
    cleanup_close int fd = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        return false;
    }
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes) < 0) {
        log_debug("no room can be reserved for the trace", log_int("errno", errno));
    }
    return true;
}

static bool reserve_trace(const char *folder, int64_t bytes) {
    cleanup_closedir DIR *directory = opendir(folder);
    if (!directory) {
        return false;
    }
    struct dirent *entry = readdir(directory);
    for (int i = 0; entry && i < MOST_NAMES; i++, entry = readdir(directory)) {
        if (slice_starts_with(slice_text(entry->d_name), SLICE(TRACE_NAME)) &&
            reserve_in(dirfd(directory), entry->d_name, bytes)) {
            return true;
        }
    }
    return false;
}

static void reserve(struct space *space, const struct statvfs *numbers) {
    const int64_t most = (int64_t)(numbers->f_blocks * numbers->f_frsize / 8);
    const int64_t wanted = space->trace_bytes + LAST_WORDS;
    space->tries++;
    space->reserved = reserve_trace(space->runner_tmp, wanted < most ? wanted : most);
}

// --- What is left --------------------------------------------------------------------------------

static void take(struct space *space, const struct statvfs *numbers, int64_t now_ms) {
    const enum space_state state = space_judge(numbers);
    if (state == SPACE_LEFT) {
        space->full_since_ms = 0;
        return;
    }
    const uint64_t bytes = (uint64_t)numbers->f_blocks * numbers->f_frsize;
    space->size_mb = (bytes + ((uint64_t)1 << 19)) >> 20;
    space->state = state;
    space->last_full_ms = now_ms;
    if (space->full_since_ms == 0) {
        space->full_since_ms = now_ms;
    }
}

void space_look(struct space *space, int64_t now_ms) {
    struct statvfs numbers;
    if (statvfs(space->root, &numbers) < 0) {
        return;
    }
    if (!space->reserved && space->tries < MOST_TRIES) {
        reserve(space, &numbers);
    }
    take(space, &numbers, now_ms);
}

char *space_line(const struct space *space) {
    return xasprintf("Runlet: %s, of %llu MB, ran full%s. Set the function's "
                     "ephemeral_storage_size to more (10240 at most), or send jobs that need more "
                     "to another runner.",
                     space->root, (unsigned long long)space->size_mb,
                     space->state == SPACE_NO_FILES ? " of files" : "");
}
