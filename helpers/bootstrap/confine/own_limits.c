// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/confine/own_limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/array.h"
#include "common/cleanup.h"
#include "common/system/files.h"

// --- Threads -------------------------------------------------------------------------------------

/// The second version of the kernel's struct sched_attr, whose header does not go with the C
/// library's.
struct second_sched_attr {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t deadline[3];
    uint32_t utilisation[2];
};

/// Of a thread of ours. The C libraries do not have all of these calls, or none that works.
static bool read_schedule(pid_t thread, struct own_schedule *schedule) {
    struct second_sched_attr attributes = {0};
    *schedule = (struct own_schedule){0};
    schedule->io_class = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, thread);
    if (schedule->io_class < 0 ||
        syscall(SYS_sched_getattr, thread, &attributes, sizeof(attributes), 0U) != 0 ||
        syscall(SYS_sched_getaffinity, thread, sizeof(schedule->affinity), schedule->affinity) <=
            0) {
        return false;
    }
    schedule->policy = attributes.policy;
    schedule->flags = attributes.flags;
    schedule->nice = attributes.nice;
    schedule->priority = attributes.priority;
    memcpy(schedule->utilisation, attributes.utilisation, sizeof(schedule->utilisation));
    return true;
}

static const char *difference(const struct own_schedule *now, const struct own_schedule *before) {
    if (now->policy != before->policy || now->flags != before->flags ||
        now->priority != before->priority ||
        memcmp(now->utilisation, before->utilisation, sizeof(now->utilisation)) != 0) {
        return "scheduling policy";
    }
    if (now->nice != before->nice) {
        return "nice value";
    }
    if (memcmp(now->affinity, before->affinity, sizeof(now->affinity)) != 0) {
        return "affinity";
    }
    return now->io_class != before->io_class ? "I/O class" : NULL;
}

/// Calls `visit` for each thread of this process until it returns false.
static bool each_thread(bool (*visit)(pid_t thread, const struct own_limits *limits,
                                      struct error *err),
                        const struct own_limits *limits, struct error *err) {
    cleanup_closedir DIR *threads = opendir("/proc/self/task");
    if (!threads) {
        return error_errno(err, errno, "cannot list our threads");
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(threads))) {
        const pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && !visit(thread, limits, err)) {
            return false;
        }
    }
    return true;
}

static bool has_schedule(pid_t thread, const struct own_limits *limits, struct error *err) {
    struct own_schedule now;
    if (!read_schedule(thread, &now)) {
        // One that has just ended has none.
        return errno == ESRCH || error_errno(err, errno, "cannot read a thread's schedule");
    }
    const char *differs = difference(&now, &limits->schedule);
    return !differs || error_set(err, "changed", "the %s of thread %d of this process was changed",
                                 differs, (int)thread);
}

static bool restore_affinity(pid_t thread, const struct own_limits *limits, struct error *err) {
    (void)err;
    (void)syscall(SYS_sched_setaffinity, thread, sizeof(limits->schedule.affinity),
                  limits->schedule.affinity);
    return true;
}

// --- Limits --------------------------------------------------------------------------------------

static const char *name_of(int resource) {
    static const char *const names[RLIM_NLIMITS] = {
        [RLIMIT_CPU] = "CPU time",
        [RLIMIT_FSIZE] = "file size",
        [RLIMIT_DATA] = "data size",
        [RLIMIT_STACK] = "stack size",
        [RLIMIT_CORE] = "core file size",
        [RLIMIT_RSS] = "resident memory",
        [RLIMIT_NPROC] = "processes",
        [RLIMIT_NOFILE] = "open files",
        [RLIMIT_MEMLOCK] = "locked memory",
        [RLIMIT_AS] = "address space",
        [RLIMIT_LOCKS] = "file locks",
        [RLIMIT_SIGPENDING] = "pending signals",
        [RLIMIT_MSGQUEUE] = "message queues",
        [RLIMIT_NICE] = "nice value",
        [RLIMIT_RTPRIO] = "real-time priority",
        [RLIMIT_RTTIME] = "real-time CPU time",
    };
    return resource < RLIM_NLIMITS && names[resource] ? names[resource] : "another resource";
}

static bool read_limits(struct rlimit *limits, struct error *err) {
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        if (syscall(SYS_prlimit64, 0, i, NULL, &limits[i]) != 0) {
            return error_errno(err, errno, "cannot read the limit of %s", name_of(i));
        }
    }
    return true;
}

static bool has_limits(const struct own_limits *limits, struct error *err) {
    struct rlimit now[RLIM_NLIMITS];
    if (!read_limits(now, err)) {
        return false;
    }
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        const struct rlimit *before = &limits->limits[i];
        if (now[i].rlim_cur != before->rlim_cur || now[i].rlim_max != before->rlim_max) {
            return error_set(err, "changed",
                             "the limit of %s of this process was changed from %lld to %lld "
                             "(at most %lld)",
                             name_of(i), (long long)before->rlim_cur, (long long)now[i].rlim_cur,
                             (long long)now[i].rlim_max);
        }
    }
    return true;
}

bool own_limits_remember(struct own_limits *limits, struct error *err) {
    *limits = (struct own_limits){0};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGXCPU, &ignore, NULL) < 0 || sigaction(SIGXFSZ, &ignore, NULL) < 0) {
        return error_errno(err, errno, "cannot set the signal actions");
    }
    return read_limits(limits->limits, err) &&
           (read_schedule(getpid(), &limits->schedule) ||
            error_errno(err, errno, "cannot read our own schedule"));
}

static void restore_soft_limits(const struct own_limits *limits) {
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit now;
        if (syscall(SYS_prlimit64, 0, i, NULL, &now) == 0 &&
            now.rlim_cur != limits->limits[i].rlim_cur) {
            const rlim_t wanted = limits->limits[i].rlim_cur;
            now.rlim_cur = wanted < now.rlim_max ? wanted : now.rlim_max;
            (void)syscall(SYS_prlimit64, 0, i, &now, NULL);
        }
    }
}

static bool are_as_before(const struct own_limits *limits, struct error *err) {
    return has_limits(limits, err) && each_thread(has_schedule, limits, err);
}

void own_limits_restore(struct own_limits *limits) {
    struct error difference;
    struct error not_listed;
    if (are_as_before(limits, &difference)) {
        return;
    }
    limits->difference = limits->changed ? limits->difference : difference;
    limits->changed = true;
    restore_soft_limits(limits);
    (void)each_thread(restore_affinity, limits, &not_listed);
}

bool own_limits_hold(const struct own_limits *limits, struct error *err) {
    if (limits->changed) {
        *err = limits->difference;
        return false;
    }
    return are_as_before(limits, err);
}

// --- A trial -------------------------------------------------------------------------------------

static bool can_open_files(struct error *err) {
    int files[16];
    size_t count = 0;
    while (count < ARRAY_LENGTH(files) &&
           (files[count] = open("/proc/self/stat", O_RDONLY | O_CLOEXEC)) >= 0) {
        count++;
    }
    const bool good = count == ARRAY_LENGTH(files) || error_errno(err, errno, "cannot open a file");
    while (count > 0) {
        (void)close(files[--count]);
    }
    return good;
}

/// `good` becomes true.
static void *map_memory(void *good) {
    enum { SIZE = 1 << 20 };
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(bool *)good = memory != MAP_FAILED && munmap(memory, SIZE) == 0;
    return NULL;
}

bool own_process_works(struct error *err) {
    pthread_t thread;
    bool mapped = false;
    if (!can_open_files(err)) {
        return false;
    }
    const int failure = pthread_create(&thread, NULL, map_memory, &mapped);
    if (failure != 0) {
        return error_errno(err, failure, "cannot start a thread");
    }
    pthread_join(thread, NULL);
    return mapped || error_errno(err, ENOMEM, "cannot map memory");
}
