// SPDX-License-Identifier: Apache-2.0
/// What the kernel lets a process change of another of the same user, and a job therefore of us
/// where no filter holds it (filter.h): resource limits, nice value, scheduling, affinity, I/O
/// class. They would reach the next job, which inherits them.
///
/// Remembered at init, compared after each job and before the next: where anything differs, the
/// environment has to end.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "common/error.h"

/// As of one thread; all of ours have the same.
struct own_schedule {
    /// sched_setattr(2)
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    /// As 0 where the kernel knows none.
    uint32_t utilisation[2];
    /// A bit for each processor, as many as the kernel may have here.
    unsigned long affinity[16];
    int io_class;
};

struct own_limits {
    struct rlimit limits[RLIM_NLIMITS];
    struct own_schedule schedule;
    /// Something was changed, and may have been put back.
    bool changed;
    struct error difference;
};

/// Remembers what this process has. To be called at init, when all limits of our own are set. From
/// now on a limit that is reached is an error and no signal (SIGXCPU, SIGXFSZ), so that it can be
/// told.
bool own_limits_remember(struct own_limits *limits, struct error *err);
/// Where something differs, puts back what can be put back without a privilege (soft limits,
/// affinity), as the end of a job needs descriptors and threads. own_limits_hold() is false from
/// then on.
void own_limits_restore(struct own_limits *limits);
/// Compares the process and each of its threads. False, with an error (code "changed") that names
/// the first difference.
bool own_limits_hold(const struct own_limits *limits, struct error *err);

/// Tries whether this process can do what it has to: a few descriptors, a thread, some memory.
/// False, with an error (code "system").
bool own_process_works(struct error *err);
