// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/confine/strangers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootstrap/confine/ipc.h"
#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/error_types.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/slice.h"
#include "common/system/process_list.h"

/// What a look needs to know of ourselves.
struct self {
    uid_t user;
    /// Ourselves, our parent, and so on.
    struct process_listing ancestors;
    /// The hard limit that a job cannot have; 0 where it tells nothing.
    rlim_t queue_bytes;
    /// How many seccomp filters we have.
    uint64_t filters;
    bool told;
    /// Sums of ids and start times: which ended processes of our user were there at the last look.
    uint64_t ended;
};

static void self_clean_up(struct self *self) {
    process_listing_clean_up(&self->ancestors);
}
#define cleanup_self __attribute__((cleanup(self_clean_up)))

// --- Whether this is Lambda's sandbox ---------------------------------------------------------

static bool started_by_lambda(void) {
    static const char *const places[] = {"/var/task/bootstrap", "/opt/bootstrap",
                                         "/var/runtime/bootstrap"};
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
    if (length <= 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        if (slice_equal_text(slice_make(program, (size_t)length), places[i])) {
            return true;
        }
    }
    return false;
}

static bool has_pid_namespace(void) {
    // PROC_PID_INIT_INO of Linux, PID_NS_INIT_INO of <linux/nsfs.h>.
    static const ino_t machines_own = 0xEFFFFFFC;
    struct stat found;
    return stat("/proc/self/ns/pid", &found) == 0 && found.st_ino != machines_own;
}

static bool is_sandbox(void) {
    return started_by_lambda() || (getuid() != 0 && has_pid_namespace());
}

// --- What a process is ------------------------------------------------------------------------

static bool read_status(pid_t pid, char *text, size_t size) {
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/// Where the value begins in a process's status; NULL if there is none. The name, which may be
/// anything, cannot hold a line's end: the kernel writes it as \n.
static const char *find_value(const char *status, const char *name) {
    const char *line = strstr(status, name);
    return line ? line + strlen(name) : NULL;
}

/// Whether one of its user ids is ours; `*gone` where it does not tell any more. The owner of
/// /proc/PID says nothing: it is root for all that are not dumpable.
static bool has_user(pid_t pid, uid_t user, bool *gone) {
    char status[4096];
    const char *number =
        read_status(pid, status, sizeof(status)) ? find_value(status, "\nUid:") : NULL;
    *gone = !number;
    if (!number) {
        return false;
    }
    char *rest = NULL;
    for (int kind = 0; kind < 4; kind++, number = rest) {
        if (strtoul(number, &rest, 10) == user) {
            return true;
        }
    }
    return false;
}

static bool is_ancestor(const struct self *self, pid_t pid) {
    // The first process of a PID namespace is nobody's job, and cannot be killed from inside.
    bool found = pid == 1;
    for (size_t i = 0; i < self->ancestors.count && !found; i++) {
        found = self->ancestors.entries[i].pid == pid;
    }
    return found;
}

/// 0 also where the kernel does not tell (before Linux 5.9).
static uint64_t count_filters(pid_t pid) {
    char status[4096];
    const char *number =
        read_status(pid, status, sizeof(status)) ? find_value(status, "\nSeccomp_filters:") : NULL;
    return number ? strtoull(number, NULL, 10) : 0;
}

/// Whether it is held as only a job is, for good: by a lower limit, or by more filters than we.
static bool is_marked(const struct self *self, pid_t pid) {
    struct rlimit limit;
    return prlimit(pid, RLIMIT_MSGQUEUE, NULL, &limit) != 0 || limit.rlim_max < self->queue_bytes ||
           count_filters(pid) > self->filters;
}

/// Whether the file that it runs lies in the folder. In a mount namespace of its own a process can
/// have any file under any name: it must be ours of that name.
static bool runs_program_below(pid_t pid, const char *folder) {
    char link[40];
    (void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    char program[PATH_MAX];
    const ssize_t length = readlink(link, program, sizeof(program) - 1);
    struct stat run;
    struct stat there;
    if (length <= 0 ||
        !slice_starts_with(slice_make(program, (size_t)length), slice_text(folder))) {
        return false;
    }
    program[length] = '\0';
    return stat(link, &run) == 0 && lstat(program, &there) == 0 && run.st_dev == there.st_dev &&
           run.st_ino == there.st_ino;
}

/// Whether it is a script of that folder: interpreter, perhaps an argument for it, the script. For
/// processes that are known not to be a job's: the command line is what they say of themselves.
static bool runs_script_below(pid_t pid, const char *folder) {
    enum { WORDS = 3 };
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[PATH_MAX];
    const ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text));
    struct slice rest = slice_make(text, length > 0 ? (size_t)length : 0);
    struct slice word;
    for (int i = 0; i < WORDS && slice_split(&rest, '\0', &word); i++) {
        if (slice_starts_with(word, slice_text(folder))) {
            return true;
        }
    }
    return false;
}

static const struct process_entry *parent_of(const struct process_listing *all,
                                             const struct process_entry *entry) {
    for (size_t i = 0; i < all->count; i++) {
        if (all->entries[i].pid == entry->parent) {
            return &all->entries[i];
        }
    }
    return NULL;
}

static bool is_extension(const struct self *self, const struct process_listing *all,
                         const struct process_entry *entry) {
    if (self->queue_bytes == 0) {
        return !is_marked(self, entry->pid) && runs_program_below(entry->pid, "/opt/extensions/");
    }
    const struct process_entry *at = entry;
    // Bounded, as a listing made while ids were used again may have a circle.
    for (size_t i = 0; i < all->count && at && !is_ancestor(self, at->pid); i++) {
        if (is_marked(self, at->pid)) {
            return false;
        }
        if (runs_program_below(at->pid, "/opt/") || runs_script_below(at->pid, "/opt/")) {
            return true;
        }
        at = parent_of(all, at);
    }
    return false;
}

// --- Ending them ------------------------------------------------------------------------------

static void choose_strangers(struct process_listing *all, struct process_listing *strangers,
                             void *context) {
    struct self *self = context;
    uint64_t ended = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct process_entry *entry = &all->entries[i];
        bool gone = false;
        if (!is_ancestor(self, entry->pid) && has_user(entry->pid, self->user, &gone)) {
            if (!process_is_alive(entry)) {
                ended += entry->start * UINT32_MAX + (uint64_t)entry->pid;
            } else if (!is_extension(self, all, entry)) {
                process_listing_add(strangers, *entry);
            }
        }
        strangers->gone += gone ? 1U : 0U;
    }
    // One that has just ended may have left a child that is newer than the listing.
    strangers->gone += ended != self->ended ? 1U : 0U;
    self->ended = ended;
}

static void tell(const struct process_listing *strangers, void *context) {
    struct self *self = context;
    if (!self->told) {
        self->told = true;
        log_warn("processes of an earlier life of this environment are ended",
                 log_int("processes", (int64_t)strangers->count),
                 log_text("first", strangers->entries[0].name));
    }
}

static bool know_ancestors(struct self *self, struct error *err) {
    struct process_entry entry = {.parent = getpid()};
    // The parent of one that came from outside of our PID namespace is 0.
    while (entry.parent > 0) {
        if (!process_look_up(entry.parent, &entry)) {
            return error_set(err, ERROR_INIT_FAILED, "cannot read who our ancestors are: /proc/%d",
                             (int)entry.parent);
        }
        process_listing_add(&self->ancestors, entry);
    }
    return true;
}

/// Lets go on what is still there of our user: ancestors and extensions.
static void resume_all(const struct self *self) {
    cleanup_process_listing struct process_listing all = {0};
    struct error ignored;
    (void)process_list(&all, &ignored);
    for (size_t i = 0; i < all.count; i++) {
        bool gone = false;
        if (all.entries[i].pid != getpid() && has_user(all.entries[i].pid, self->user, &gone)) {
            (void)kill(all.entries[i].pid, SIGCONT);
        }
    }
}

static bool end_all(struct self *self, struct error *err) {
    const struct process_choice strangers = {
        .choose = choose_strangers, .context = self, .quiet_looks = 3, .killing = tell};
    if (process_kill_chosen(&strangers, BUDGET_STRANGERS_GENTLY_MS, err)) {
        return true;
    }
    // They are born faster than we look. The kernel stops all processes of our user but ourselves
    // in one step, also those that are about to be born: then none escapes.
    if (error_is(err, "timeout")) {
        (void)kill(-1, SIGSTOP); // Fails where there is nobody but us at this moment.
        const bool good = process_kill_chosen(&strangers, BUDGET_STRANGERS_LIMIT_MS, err);
        resume_all(self);
        if (good) {
            return true;
        }
    }
    return error_set(err, error_is(err, "timeout") ? ERROR_ENVIRONMENT_OCCUPIED : ERROR_INIT_FAILED,
                     "cannot end what an earlier life of this environment left: %s", err->message);
}

bool strangers_end(struct error *err) {
    struct rlimit limit = {0, 0};
    (void)getrlimit(RLIMIT_MSGQUEUE, &limit);
    cleanup_self struct self self = {
        .user = getuid(), .queue_bytes = limit.rlim_max, .filters = count_filters(getpid())};
    if (!is_sandbox()) {
        log_info("this is not Lambda's sandbox: other processes of our user are left alone");
    } else if (!know_ancestors(&self, err) || !end_all(&self, err)) {
        return false;
    }
    // What we start from now on can be told by it from what Lambda started.
    return ipc_forbid_queues(err);
}
