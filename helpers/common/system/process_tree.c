// SPDX-License-Identifier: Apache-2.0
/// Ending whole trees of processes, and no other.
///
/// /proc is read process by process while it changes, and ids are used again. So nobody is
/// signalled for what the listing said: a pidfd is opened first, then start time and parent are
/// read once more, and only if they are what the listing had does the signal go to that pidfd. The
/// listing goes from us downwards, so that each one's parent was found to be ours before it.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/process.h"

struct entry {
    pid_t pid;
    pid_t parent;
    /// In clock ticks since boot: with the pid it names a process uniquely.
    uint64_t start;
    char state;
    char name[24];
};

struct listing {
    struct entry *entries;
    size_t count;
    size_t capacity;
};

static void listing_clean_up(struct listing *listing) {
    free(listing->entries);
}
#define cleanup_listing __attribute__((cleanup(listing_clean_up)))

static void listing_add(struct listing *listing, struct entry entry) {
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity > 0 ? listing->capacity * 2 : 64;
        listing->entries =
            xreallocarray(listing->entries, listing->capacity, sizeof(*listing->entries));
    }
    listing->entries[listing->count++] = entry;
}

/// Takes a stat line apart. The name stands in parentheses and may hold any character, parentheses
/// and blanks too, so what counts is the last closing one.
static bool parse_stat(char *text, struct entry *entry) {
    char *open = strchr(text, '(');
    char *close = strrchr(text, ')');
    if (!open || !close || close < open) {
        return false;
    }
    *close = '\0';
    (void)snprintf(entry->name, sizeof(entry->name), "%s", open + 1);
    // After the name: state, parent, ..., the start time as the 20th.
    struct slice rest = slice_trim(slice_text(close + 1));
    struct slice part;
    for (int field = 0; slice_split(&rest, ' ', &part); field++) {
        int64_t number = 0;
        if (field == 0 && part.len == 1) {
            entry->state = part.data[0];
        } else if (field == 1 && slice_parse_integer(part, &number)) {
            entry->parent = (pid_t)number;
        } else if (field == 19) {
            entry->start = strtoull(part.data, NULL, 10);
            return entry->state != '\0';
        }
    }
    return false;
}

/// Reads what /proc says of a process; false if it is gone, or not shown to us.
static bool look_up(pid_t pid, struct entry *entry) {
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    // The line is shorter than this: 52 numbers and a name of at most 64 bytes.
    char text[2048];
    const ssize_t length = read(fd, text, sizeof(text) - 1);
    if (length <= 0) {
        return false;
    }
    text[length] = '\0';
    *entry = (struct entry){.pid = pid};
    return parse_stat(text, entry);
}

static bool list_all(struct listing *all, struct error *err) {
    cleanup_closedir DIR *proc = opendir("/proc");
    if (!proc) {
        return error_errno(err, errno, "cannot list the processes");
    }
    const struct dirent *item = NULL;
    while ((item = readdir(proc))) {
        int64_t pid = 0;
        struct entry entry;
        if (slice_parse_integer(slice_text(item->d_name), &pid) && pid > 0 &&
            look_up((pid_t)pid, &entry)) {
            listing_add(all, entry);
        }
    }
    return true;
}

/// All descendants as of now, parents before their children.
static bool list_descendants(struct listing *ours, struct error *err) {
    cleanup_listing struct listing all = {0};
    if (!list_all(&all, err)) {
        return false;
    }
    const pid_t self = getpid();
    size_t next = 0;
    for (pid_t parent = self;; parent = ours->entries[next++].pid) {
        for (size_t i = 0; i < all.count; i++) {
            if (all.entries[i].parent == parent && all.entries[i].pid != self) {
                listing_add(ours, all.entries[i]);
                // Taken: a listing made while ids were used again must not send us in circles.
                all.entries[i].parent = -1;
            }
        }
        if (next == ours->count) {
            return true;
        }
    }
}

/// Signals the process of that entry, or nobody.
static void signal_entry(const struct entry *entry, int signal_number) {
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0U);
    const bool without_pidfd = pidfd < 0 && errno == ENOSYS;
    struct entry now;
    if ((pidfd < 0 && !without_pidfd) || !look_up(entry->pid, &now) || now.start != entry->start ||
        (now.parent != entry->parent && now.parent != getpid())) {
        return; // It is gone, or somewhere else: the next round will see.
    }
    if (without_pidfd) {
        // Before Linux 5.3: the id could only be used again by now if it ended a moment ago and all
        // other ids had been given out since.
        (void)kill(entry->pid, signal_number);
    } else {
        (void)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0U);
    }
}

static void signal_all(const struct listing *listing, int signal_number) {
    for (size_t i = 0; i < listing->count; i++) {
        if (listing->entries[i].state != 'Z' && listing->entries[i].state != 'X') {
            signal_entry(&listing->entries[i], signal_number);
        }
    }
}

static bool survivors(const struct listing *listing, struct error *err) {
    cleanup_buffer struct buffer names = BUFFER_INIT(512);
    for (size_t i = 0; i < listing->count && !names.overflowed; i++) {
        const struct entry *entry = &listing->entries[i];
        buffer_appendf(&names, "%s%d (%s, state %c)", i > 0 ? ", " : "", (int)entry->pid,
                       entry->name, entry->state);
    }
    return error_set(err, "timeout", "%zu processes are still there after SIGKILL: %s",
                     listing->count, buffer_text(&names));
}

static bool can_run(const struct entry *entry) {
    // Stopped, traced, zombie, dead; a sleep that nothing interrupts ends before anything else.
    return !strchr("TtZXD", entry->state);
}

/// A process that forks and ends at once, again and again, is never where a listing saw it; its
/// latest incarnation becomes our child the moment its parent ends. Asking for our children alone
/// is so much quicker than a listing that a few hundred tries meet it.
static void signal_children_often(int signal_number) {
    enum { TIMES = 20 };
    for (int i = 0; i < TIMES; i++) {
        process_signal_children(signal_number);
    }
}

/// Stops all descendants, so that none can fork while they are killed: the stopped ones also keep
/// their places in the process table, which ends a fork bomb's growth. `listing` is the last one.
static bool stop_all(struct listing *listing, int64_t end_ms, struct error *err) {
    enum { ROUNDS = 100 };
    for (int round = 0; round < ROUNDS; round++) {
        listing->count = 0;
        if (!list_descendants(listing, err)) {
            return false;
        }
        bool running = false;
        for (size_t i = 0; i < listing->count; i++) {
            running = running || can_run(&listing->entries[i]);
        }
        if (!running || clock_monotonic_ms(clock_system()) >= end_ms) {
            return true;
        }
        signal_all(listing, SIGSTOP);
        signal_children_often(SIGSTOP);
    }
    return true;
}

bool process_kill_descendants(int64_t limit_ms, struct error *err) {
    enum { LONGEST_PAUSE_MS = 50 };
    struct clock *clock = clock_system();
    const int64_t end_ms = clock_monotonic_ms(clock) + limit_ms;
    for (int64_t pause_ms = 1;; pause_ms = pause_ms < LONGEST_PAUSE_MS ? pause_ms * 2 : pause_ms) {
        (void)process_reap_orphans();
        cleanup_listing struct listing listing = {0};
        if (!stop_all(&listing, end_ms, err)) {
            return false;
        }
        if (listing.count == 0) {
            return true;
        }
        signal_all(&listing, SIGKILL);
        process_signal_children(SIGKILL);
        if (clock_monotonic_ms(clock) >= end_ms) {
            return survivors(&listing, err);
        }
        (void)process_reap_orphans();
        (void)clock_sleep_ms(clock, pause_ms, 0);
    }
}

unsigned process_count_descendants(void) {
    cleanup_listing struct listing listing = {0};
    struct error ignored;
    unsigned count = 0;
    if (list_descendants(&listing, &ignored)) {
        for (size_t i = 0; i < listing.count; i++) {
            count += listing.entries[i].state != 'Z' && listing.entries[i].state != 'X' ? 1U : 0U;
        }
    }
    return count;
}
