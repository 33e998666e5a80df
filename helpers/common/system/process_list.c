// SPDX-License-Identifier: Apache-2.0
#include "common/system/process_list.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/process.h"

void process_listing_clean_up(struct process_listing *listing) {
    free(listing->entries);
}

void process_listing_add(struct process_listing *listing, struct process_entry entry) {
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity > 0 ? listing->capacity * 2 : 64;
        listing->entries =
            xreallocarray(listing->entries, listing->capacity, sizeof(*listing->entries));
    }
    listing->entries[listing->count++] = entry;
}

/// Takes a stat line apart. The name stands in parentheses and may hold any character, parentheses
/// and blanks too, so what counts is the last closing one.
static bool parse_stat(char *text, struct process_entry *entry) {
    char *open = strchr(text, '(');
    char *close = strrchr(text, ')');
    if (!open || !close || close < open) {
        return false;
    }
    *close = '\0';
    (void)snprintf(entry->name, sizeof(entry->name), "%s", open + 1);
    // After the name: state, parent, ..., the threads as the 18th, the start time as the 20th.
    struct slice rest = slice_trim(slice_text(close + 1));
    struct slice part;
    for (int field = 0; slice_split(&rest, ' ', &part); field++) {
        int64_t number = 0;
        if (field == 0 && part.len == 1) {
            entry->state = part.data[0];
        } else if (field == 1 && slice_parse_integer(part, &number)) {
            entry->parent = (pid_t)number;
        } else if (field == 17 && slice_parse_integer(part, &number)) {
            entry->threads = number;
        } else if (field == 19) {
            entry->start = strtoull(part.data, NULL, 10);
            return entry->state != '\0';
        }
    }
    return false;
}

bool process_look_up(pid_t pid, struct process_entry *entry) {
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
    *entry = (struct process_entry){.pid = pid};
    return parse_stat(text, entry);
}

bool process_list(struct process_listing *all, struct error *err) {
    cleanup_closedir DIR *proc = opendir("/proc");
    if (!proc) {
        return error_errno(err, errno, "cannot list the processes");
    }
    const struct dirent *item = NULL;
    while ((item = readdir(proc))) {
        int64_t pid = 0;
        struct process_entry entry;
        if (!slice_parse_integer(slice_text(item->d_name), &pid) || pid <= 0) {
            continue;
        }
        if (process_look_up((pid_t)pid, &entry)) {
            process_listing_add(all, entry);
        } else if (errno != EACCES && errno != EPERM) {
            all->gone++; // Not one that is hidden from us, and stays so.
        }
    }
    return true;
}

bool process_is_alive(const struct process_entry *entry) {
    return (entry->state != 'Z' && entry->state != 'X') || entry->threads > 1;
}

/// Signals the process of that entry, or nobody.
static void signal_entry(const struct process_entry *entry, int signal_number) {
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0U);
    const bool without_pidfd = pidfd < 0 && errno == ENOSYS;
    struct process_entry now;
    if ((pidfd < 0 && !without_pidfd) || !process_look_up(entry->pid, &now) ||
        now.start != entry->start || (now.parent != entry->parent && now.parent != getpid())) {
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

static void signal_all(const struct process_listing *listing, int signal_number) {
    for (size_t i = 0; i < listing->count; i++) {
        if (process_is_alive(&listing->entries[i])) {
            signal_entry(&listing->entries[i], signal_number);
        }
    }
}

static bool survivors(const struct process_listing *listing, struct error *err) {
    if (listing->count == 0) {
        return error_set(err, "timeout", "processes come and go faster than they can be ended");
    }
    cleanup_buffer struct buffer names = BUFFER_INIT(512);
    for (size_t i = 0; i < listing->count && !names.overflowed; i++) {
        const struct process_entry *entry = &listing->entries[i];
        buffer_appendf(&names, "%s%d (%s, state %c)", i > 0 ? ", " : "", (int)entry->pid,
                       entry->name, entry->state);
    }
    return error_set(err, "timeout", "%zu processes are still there after SIGKILL: %s",
                     listing->count, buffer_text(&names));
}

static bool can_run(const struct process_entry *entry) {
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

/// Looks who is there to be ended. `chosen` is emptied first.
static bool look_for(const struct process_choice *choice, struct process_listing *chosen,
                     struct error *err) {
    cleanup_process_listing struct process_listing all = {0};
    if (!process_list(&all, err)) {
        return false;
    }
    chosen->count = 0;
    chosen->gone = all.gone;
    choice->choose(&all, chosen, choice->context);
    return true;
}

/// Stops all of them, so that none can fork while they are killed: the stopped ones also keep their
/// places in the process table, which ends a fork bomb's growth. `chosen` is the last look.
static bool stop_all(const struct process_choice *choice, struct process_listing *chosen,
                     int64_t end_ms, struct error *err) {
    enum { ROUNDS = 100 };
    for (int round = 0; round < ROUNDS; round++) {
        if (!look_for(choice, chosen, err)) {
            return false;
        }
        bool running = false;
        for (size_t i = 0; i < chosen->count; i++) {
            running = running || can_run(&chosen->entries[i]);
        }
        if (!running || clock_monotonic_ms(clock_system()) >= end_ms) {
            return true;
        }
        signal_all(chosen, SIGSTOP);
        signal_children_often(SIGSTOP);
    }
    return true;
}

bool process_kill_chosen(const struct process_choice *choice, int64_t limit_ms, struct error *err) {
    enum { LONGEST_PAUSE_MS = 50 };
    struct clock *clock = clock_system();
    const int64_t end_ms = clock_monotonic_ms(clock) + limit_ms;
    int64_t pause_ms = 1;
    for (int quiet = 0;;) {
        (void)process_reap_orphans();
        cleanup_process_listing struct process_listing chosen = {0};
        if (!stop_all(choice, &chosen, end_ms, err)) {
            return false;
        }
        const bool counts = chosen.gone == 0 || choice->quiet_looks == 1;
        quiet = chosen.count == 0 && counts ? quiet + 1 : 0;
        if (quiet == choice->quiet_looks) {
            return true;
        }
        if (chosen.count > 0) {
            if (choice->killing) {
                choice->killing(&chosen, choice->context);
            }
            signal_all(&chosen, SIGKILL);
            process_signal_children(SIGKILL);
        }
        if (clock_monotonic_ms(clock) >= end_ms) {
            return survivors(&chosen, err);
        }
        if (chosen.count > 0) {
            (void)process_reap_orphans();
            (void)clock_sleep_ms(clock, pause_ms, 0);
            pause_ms = pause_ms < LONGEST_PAUSE_MS ? pause_ms * 2 : pause_ms;
        }
    }
}
