// SPDX-License-Identifier: Apache-2.0
/// The processes that /proc shows, and ending those that somebody chooses of them.
///
/// /proc is read process by process while it changes, and ids are used again. So nobody is
/// signalled for what the listing said: a pidfd is opened first, then start time and parent are
/// read once more, and only if they are what the listing had does the signal go to that pidfd.
/// Source: proc_pid_stat(5), pidfd_send_signal(2).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct process_entry {
    pid_t pid;
    pid_t parent;
    /// In clock ticks since boot: with the pid it names a process uniquely.
    uint64_t start;
    /// One that has more than the one that ended is alive, although its state is Z.
    int64_t threads;
    char state;
    char name[24];
};

struct process_listing {
    struct process_entry *entries;
    size_t count;
    size_t capacity;
    /// How many ended between two steps of the look: where there are such, others that they started
    /// may not have been seen.
    size_t gone;
};
#define cleanup_process_listing __attribute__((cleanup(process_listing_clean_up)))
void process_listing_clean_up(struct process_listing *listing);
void process_listing_add(struct process_listing *listing, struct process_entry entry);

/// Adds every process there is.
bool process_list(struct process_listing *all, struct error *err);
/// What /proc says of a process; false if it is gone, or not shown to us.
bool process_look_up(pid_t pid, struct process_entry *entry);
/// Tells whether it can still do something: ended processes stay until they are reaped.
bool process_is_alive(const struct process_entry *entry);

struct process_choice {
    /// Adds those of `all`, which is its own to change, that shall end to `chosen`, and to the
    /// `gone` of that how many vanished while it looked at them.
    void (*choose)(struct process_listing *all, struct process_listing *chosen, void *context);
    void *context;
    /// How many looks in a row must find none; where it is more than one, only those in which
    /// nobody vanished count.
    int quiet_looks;
    /// Told of those that are about to be killed, once in each round; or NULL.
    void (*killing)(const struct process_listing *chosen, void *context);
};

/// Kills all that are chosen with SIGKILL, again and again, stopped first so that none can fork
/// meanwhile; children among them are reaped. Returns when none is chosen any more, or false (code
/// "timeout") after `limit_ms`, with ids and names of the survivors in the message.
bool process_kill_chosen(const struct process_choice *choice, int64_t limit_ms, struct error *err);
