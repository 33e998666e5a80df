// SPDX-License-Identifier: Apache-2.0
/// The room in /tmp while a job runs.
///
/// gitlab-runner keeps a job's trace in a file in TMPDIR, and what it could not write there once it
/// never sends: the job then hangs until the deadline. So room for the whole trace is reserved in
/// that file as soon as it is there, before the job's script can use it up. Nothing else has to be
/// kept free: the clean-up after a job only removes.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>

/// What a look at the file system says.
enum space_state {
    SPACE_LEFT,
    /// Less is left than anybody can work with.
    SPACE_NO_BYTES,
    /// No further file can be made.
    SPACE_NO_FILES,
};

/// Reads one file system's numbers. Where it has no fixed number of files (btrfs), none is missed.
enum space_state space_judge(const struct statvfs *numbers);

/// What is known of the room; zeroed but for the first three.
struct space {
    /// Where it is looked at; borrowed.
    const char *root;
    /// The runner's TMPDIR; borrowed.
    const char *runner_tmp;
    /// What is reserved for the trace, an eighth of the whole at most.
    int64_t trace_bytes;
    /// Room for the trace is reserved.
    bool reserved;
    /// How often the trace's file was looked for.
    unsigned tries;
    /// At the last look.
    enum space_state state;
    /// Monotonic; since when it has been full without a break, 0: it is not.
    int64_t full_since_ms;
    /// Monotonic; when it was last seen full, 0: never.
    int64_t last_full_ms;
    /// In MB as Lambda counts them.
    uint64_t size_mb;
};

/// Reserves room for the trace where that was not done yet, and looks at what is left.
void space_look(struct space *space, int64_t now_ms);

/// What to tell who reads the trace, after it was seen full; to be released with free().
char *space_line(const struct space *space) __attribute__((returns_nonnull));
