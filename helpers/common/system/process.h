// SPDX-License-Identifier: Apache-2.0
/// Processes: start one with nothing inherited by accident, wait for it with a limit, and end a
/// whole tree of them.
///
/// All functions may be called in a program with several threads. Times are milliseconds of the
/// real clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/system/environment.h"

/// For process_options: what the descriptor of the new process is.
enum { PROCESS_FD_NULL = -1 };
enum { PROCESS_FD_INHERIT = -2 };

struct process_options {
    /// Ended by NULL. argv[0] is a path, or a name that is looked for in the PATH of `environment`.
    const char *const *argv;
    /// All of its environment.
    const struct environment *environment;
    /// Its working directory; NULL: ours.
    const char *directory;
    /// An open descriptor (which stays the caller's), or one of the two above.
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
    /// Puts it at the head of a process group of its own.
    bool own_group;
    /// Sends it SIGKILL when the thread that started it ends: only for threads that stay.
    bool die_with_parent;
    /// Called in the new process, while it still has our descriptors, before its program: may use
    /// async-signal-safe functions alone (signal-safety(7)), and cannot fail the start. NULL:
    /// nothing.
    void (*in_child)(void *context);
    void *in_child_context;
};

/// The usual options: stdin from /dev/null, stdout and stderr ours, a process group of its own.
struct process_options process_options(const char *const *argv,
                                       const struct environment *environment);

struct process;
#define cleanup_process __attribute__((cleanup(process_destroyp)))

/// The path of a program as process_start() finds it: a name is looked for in the folders of `path`
/// (NULL: /usr/bin and /bin). NULL where it is in none; to be released with free().
char *process_find(const char *name, const char *path);

/// Starts it. Every descriptor but 0, 1, 2 is closed in it, signals are at their defaults and
/// unblocked. A program that cannot be started is an error here ("not_found" where there is none).
/// NULL on failure; else to be released with process_destroy().
struct process *process_spawn(const struct process_options *options, struct error *err);
/// Forgets about it; one that still runs goes on, and is reaped by process_reap_orphans().
void process_destroy(struct process *process);
/// For cleanup_process.
void process_destroyp(struct process **process);

pid_t process_id(const struct process *process);

/// How a process ended.
struct process_exit {
    /// The exit status, or -1 where a signal ended it.
    int code;
    /// The signal that ended it, or 0.
    int signal;
};

enum process_wait {
    PROCESS_EXITED,
    /// The time is over, it still runs.
    PROCESS_RUNNING,
    /// `wake_fd` became readable, it still runs.
    PROCESS_WOKEN,
};
/// Waits for its end, `timeout_ms` at most (negative: without a limit; 0: only looks), or until
/// `wake_fd` is readable (0 or less: none). Once it has ended, always answers the same at once.
/// Not to be called for one process from two threads at a time.
enum process_wait process_wait(struct process *process, int64_t timeout_ms, int wake_fd,
                               struct process_exit *end);
/// Sends a signal to it alone; one that has ended is no failure.
bool process_signal(struct process *process, int signal_number, struct error *err);

/// Runs it to its end and appends what it wrote to stdout to `output`; kills it after `timeout_ms`
/// (code "timeout"). A status other than 0 is no failure here.
bool process_run(const struct process_options *options, int64_t timeout_ms, struct buffer *output,
                 struct process_exit *end, struct error *err);

/// From now on, orphans among our descendants become our children.
bool process_become_subreaper(struct error *err);
/// Keeps our memory, environment and descriptors from processes of the same user, and out of core
/// files.
bool process_hide_memory(struct error *err);
/// Puts something in the place of stdin, stdout and stderr where we were started without them, so
/// that no file or connection gets their numbers and what is meant for the caller. Writing to such
/// a stdout fails; a program that takes our place has it closed again.
bool process_hold_standard_descriptors(struct error *err);
/// Reaps every child that has ended, without waiting; returns how many. Ends of processes from
/// process_spawn() are kept for process_wait().
unsigned process_reap_orphans(void);

/// Sends a signal to every child we have right now, read from the kernel's own list of them.
/// Nothing where the kernel has no such list.
void process_signal_children(int signal_number);

/// Kills all our descendants with SIGKILL, whatever group, session or parent they gave themselves,
/// and reaps them; returns when none is left. Needs process_become_subreaper(). No other process is
/// ever signalled, even where ids are used again. No other thread may start processes meanwhile.
/// False (code "timeout") after `limit_ms`, with the survivors' ids and names in the message.
bool process_kill_descendants(int64_t limit_ms, struct error *err);
/// The number of descendants alive now, zombies left out.
unsigned process_count_descendants(void);
