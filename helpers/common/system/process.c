// SPDX-License-Identifier: Apache-2.0
/// Starting processes and waiting for them; ending trees of them is in process_tree.c.
#include "common/system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/files.h"

struct process {
    pid_t pid;
    /// Refers to the process and no other; -1 where the kernel has none (before Linux 5.3).
    int pidfd;
    bool ended;
    struct process_exit end;
    struct process *next;
};

/// All that are not destroyed: whoever reaps a child puts its end where it belongs. The children
/// are the process's, so this is too.
static pthread_mutex_t children_lock = PTHREAD_MUTEX_INITIALIZER;
static struct process *children;

struct process_options process_options(const char *const *argv,
                                       const struct environment *environment) {
    return (struct process_options){
        .argv = argv,
        .environment = environment,
        .stdin_fd = PROCESS_FD_NULL,
        .stdout_fd = PROCESS_FD_INHERIT,
        .stderr_fd = PROCESS_FD_INHERIT,
        .own_group = true,
    };
}

// --- Child, before its program ----------------------------------------------------------------
// Other threads may have held any lock at the fork, so that only async-signal-safe functions may be
// called from here on: no malloc, no stdio, no logging.

/// What the child needs, all made before the fork.
struct launch {
    const struct process_options *options;
    const char *program;
    int error_fd;
    int null_fd;
    int highest_fd;
    pid_t parent;
};

/// What the child reports if the program does not start.
struct launch_error {
    int step;
    int errnum;
};
enum { STEP_DIRECTORY, STEP_DESCRIPTORS, STEP_GROUP, STEP_EXEC };

static void child_fail(int error_fd, int step) {
    const struct launch_error report = {.step = step, .errnum = errno};
    // Where even this cannot be sent, the exit status is all that is left.
    const ssize_t written = write(error_fd, &report, sizeof(report));
    _exit(written == (ssize_t)sizeof(report) ? 127 : 126);
}

static void child_reset_signals(void) {
    struct sigaction action = {0};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++) {
        // SIGKILL and SIGSTOP, and those that libc keeps for itself, refuse: they are at their
        // defaults anyway.
        (void)sigaction(number, &action, NULL);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/// A copy of what descriptor `target` shall be, out of the way of 0, 1, 2 and 3.
static int child_copy_fd(const struct launch *launch, int choice, int target) {
    int source = choice;
    if (choice == PROCESS_FD_NULL) {
        source = launch->null_fd;
    } else if (choice == PROCESS_FD_INHERIT) {
        source = target;
    }
    return fcntl(source, F_DUPFD_CLOEXEC, 10);
}

/// Puts the descriptors in place and closes all others. The report goes by descriptor 3 then.
static bool child_set_descriptors(const struct launch *launch) {
    const int report = fcntl(launch->error_fd, F_DUPFD_CLOEXEC, 10);
    const int in = child_copy_fd(launch, launch->options->stdin_fd, 0);
    const int out = child_copy_fd(launch, launch->options->stdout_fd, 1);
    const int err = child_copy_fd(launch, launch->options->stderr_fd, 2);
    if (report < 0 || in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(err, 2) < 0 || dup3(report, 3, O_CLOEXEC) < 0) {
        return false;
    }
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
    if (syscall(SYS_close_range, 4U, ~0U, 0U) != 0) {
        for (int fd = 4; fd <= launch->highest_fd; fd++) {
            (void)close(fd);
        }
    }
    return true;
}

static void __attribute__((noreturn)) child_run(const struct launch *launch) {
    child_reset_signals();
    if (launch->options->own_group && setpgid(0, 0) != 0) {
        child_fail(launch->error_fd, STEP_GROUP);
    }
    if (launch->options->die_with_parent) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != launch->parent) {
            _exit(126); // It died before we asked.
        }
    }
    if (launch->options->in_child) {
        launch->options->in_child(launch->options->in_child_context);
    }
    if (!child_set_descriptors(launch)) {
        child_fail(launch->error_fd, STEP_DESCRIPTORS);
    }
    if (launch->options->directory && chdir(launch->options->directory) != 0) {
        child_fail(3, STEP_DIRECTORY);
    }
    // execve takes pointers to what it does not write.
    char *const *argv = NULL;
    memcpy((void *)&argv, (const void *)&launch->options->argv, sizeof(argv));
    (void)execve(launch->program, argv, environment_array(launch->options->environment));
    child_fail(3, STEP_EXEC);
    _exit(127);
}

// --- Parent -----------------------------------------------------------------------------------

char *process_find(const char *name, const char *path) {
    if (strchr(name, '/')) {
        return xstrdup(name);
    }
    struct slice rest = slice_text(path ? path : "/usr/bin:/bin");
    struct slice folder;
    while (slice_split(&rest, ':', &folder)) {
        // An empty part means the current folder: not for us.
        if (folder.len == 0) {
            continue;
        }
        cleanup_free char *candidate =
            xasprintf("%" SLICE_FORMAT "/%s", SLICE_ARGUMENTS(folder), name);
        if (access(candidate, X_OK) == 0) {
            return steal_pointer(&candidate);
        }
    }
    return NULL;
}

/// The same for what is to be started; NULL with an error.
static char *find_program(const struct process_options *options, struct error *err) {
    const char *path = environment_get(options->environment, "PATH");
    char *program = process_find(options->argv[0], path);
    if (!program) {
        error_set(err, "not_found", "cannot start %s: it is not in the PATH (%s)", options->argv[0],
                  path ? path : "none is set");
    }
    return program;
}

static bool launch_failure(const struct launch *launch, struct launch_error report,
                           struct error *err) {
    static const char *const steps[] = {
        [STEP_DIRECTORY] = "cannot change to its folder",
        [STEP_DESCRIPTORS] = "cannot set up its descriptors",
        [STEP_GROUP] = "cannot make its process group",
    };
    if (report.step == STEP_EXEC || report.step < 0 || report.step > STEP_EXEC) {
        error_errno(err, report.errnum, "cannot start %s", launch->program);
        return report.errnum == ENOENT ? error_set(err, "not_found", "%s", err->message) : false;
    }
    return error_errno(err, report.errnum, "cannot start %s: %s", launch->program,
                       steps[report.step]);
}

/// Forks with all signals blocked, so that no handler of ours runs in the child.
static pid_t fork_child(const struct launch *launch) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0) {
        child_run(launch);
    }
    const int reason = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return pid;
}

static int open_pidfd(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0U);
}

static struct process *remember(pid_t pid) {
    struct process *process = xcalloc(1, sizeof(*process));
    process->pid = pid;
    // Our child stays at least a zombie until it is reaped, and that happens under the lock, which
    // the caller holds: so this is it.
    process->pidfd = open_pidfd(pid);
    process->next = children;
    children = process;
    return process;
}

/// Reads the child's report; true if there was none, as the program runs.
static bool launched(int fd, struct launch_error *report) {
    ssize_t count = 0;
    do {
        count = read(fd, report, sizeof(*report));
    } while (count < 0 && errno == EINTR);
    return count != (ssize_t)sizeof(*report);
}

struct process *process_spawn(const struct process_options *options, struct error *err) {
    cleanup_free char *program = find_program(options, err);
    if (!program) {
        return NULL;
    }
    cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int pipe_fds[2] = {-1, -1};
    if (null_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
        error_errno(err, errno, "cannot start %s", program);
        return NULL;
    }
    cleanup_close int report_fd = pipe_fds[0];
    cleanup_close int error_fd = pipe_fds[1];
    struct rlimit limit = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    const struct launch launch = {
        .options = options,
        .program = program,
        .error_fd = error_fd,
        .null_fd = null_fd,
        // Only for kernels without close_range, which know no better way.
        .highest_fd = limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536,
        .parent = getpid(),
    };

    // Nobody may reap the child before it is in the list.
    (void)pthread_mutex_lock(&children_lock);
    const pid_t pid = fork_child(&launch);
    const int reason = errno;
    struct process *process = pid > 0 ? remember(pid) : NULL;
    (void)pthread_mutex_unlock(&children_lock);
    if (!process) {
        error_errno(err, reason, "cannot start %s", program);
        return NULL;
    }
    (void)close(steal_fd(&error_fd));
    struct launch_error report = {0};
    if (!launched(report_fd, &report)) {
        (void)process_wait(process, -1, 0, NULL);
        process_destroy(process);
        launch_failure(&launch, report, err);
        return NULL;
    }
    return process;
}

void process_destroy(struct process *process) {
    if (!process) {
        return;
    }
    (void)pthread_mutex_lock(&children_lock);
    for (struct process **at = &children; *at; at = &(*at)->next) {
        if (*at == process) {
            *at = process->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&children_lock);
    if (process->pidfd >= 0) {
        (void)close(process->pidfd);
    }
    free(process);
}

void process_destroyp(struct process **process) {
    process_destroy(*process);
}

pid_t process_id(const struct process *process) {
    return process->pid;
}

static struct process_exit exit_of(int status) {
    if (WIFSIGNALED(status)) {
        return (struct process_exit){.code = -1, .signal = WTERMSIG(status)};
    }
    return (struct process_exit){.code = WEXITSTATUS(status)};
}

/// Reaps one child (or any, for -1) that has ended and notes its end. False if there is none.
/// The lock is held.
static bool reap(pid_t which) {
    int status = 0;
    pid_t pid = 0;
    do {
        pid = waitpid(which, &status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid <= 0) {
        return false;
    }
    // A child may have made us its tracer (PTRACE_TRACEME): then its stops are told, too.
    if (WIFSTOPPED(status)) {
        return true;
    }
    for (struct process *process = children; process; process = process->next) {
        if (process->pid == pid && !process->ended) {
            process->ended = true;
            process->end = exit_of(status);
        }
    }
    return true;
}

unsigned process_reap_orphans(void) {
    unsigned count = 0;
    (void)pthread_mutex_lock(&children_lock);
    while (reap(-1)) {
        count++;
    }
    (void)pthread_mutex_unlock(&children_lock);
    return count;
}

/// Signals the children that one thread of ours has. The lock is held, so that none of them is
/// reaped and each id stays its own.
static void signal_children_of(const char *thread, int signal_number) {
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", thread);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    cleanup_buffer struct buffer text = BUFFER_INIT(256 * 1024);
    struct error ignored;
    (void)files_read_fd(fd, path, &text, &ignored);
    struct slice rest = buffer_slice(&text);
    struct slice part;
    int64_t pid = 0;
    while (slice_split(&rest, ' ', &part)) {
        if (slice_parse_integer(part, &pid) && pid > 0) {
            (void)kill((pid_t)pid, signal_number);
        }
    }
}

void process_signal_children(int signal_number) {
    cleanup_closedir DIR *threads = opendir("/proc/self/task");
    if (!threads) {
        return;
    }
    (void)pthread_mutex_lock(&children_lock);
    const struct dirent *item = NULL;
    while ((item = readdir(threads))) {
        if (item->d_name[0] != '.') {
            signal_children_of(item->d_name, signal_number);
        }
    }
    (void)pthread_mutex_unlock(&children_lock);
}

static bool has_ended(struct process *process, struct process_exit *end) {
    (void)pthread_mutex_lock(&children_lock);
    if (!process->ended) {
        (void)reap(process->pid);
    }
    const bool ended = process->ended;
    if (ended && end) {
        *end = process->end;
    }
    (void)pthread_mutex_unlock(&children_lock);
    return ended;
}

enum process_wait process_wait(struct process *process, int64_t timeout_ms, int wake_fd,
                               struct process_exit *end) {
    // Without pidfds there is nothing to wait on but time.
    enum { LOOK_AGAIN_MS = 20 };
    const int64_t start = clock_monotonic_ms(clock_system());
    struct pollfd fds[] = {
        {.fd = process->pidfd, .events = POLLIN},
        {.fd = wake_fd > 0 ? wake_fd : -1, .events = POLLIN},
    };
    for (;;) {
        if (has_ended(process, end)) {
            return PROCESS_EXITED;
        }
        if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            return PROCESS_WOKEN;
        }
        int64_t left = INT_MAX;
        if (timeout_ms >= 0) {
            left = timeout_ms - (clock_monotonic_ms(clock_system()) - start);
        }
        if (left <= 0) {
            return PROCESS_RUNNING;
        }
        const int64_t step = process->pidfd < 0 && left > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : left;
        if (poll(fds, 2, step > INT_MAX ? INT_MAX : (int)step) < 0) {
            fds[1].revents = 0;
        }
    }
}

bool process_signal(struct process *process, int signal_number, struct error *err) {
    // Under the lock nobody reaps it, so that its id stays its own.
    (void)pthread_mutex_lock(&children_lock);
    const int result = process->ended ? 0 : kill(process->pid, signal_number);
    const int reason = errno;
    (void)pthread_mutex_unlock(&children_lock);
    if (result != 0 && reason != ESRCH) {
        return error_errno(err, reason, "cannot send signal %d to process %d", signal_number,
                           (int)process->pid);
    }
    return true;
}

/// Reads from the pipe until its end, the end of time, or the end of the process. A grandchild that
/// keeps the pipe open does not hold us up.
static bool collect(struct process *process, int fd, int64_t end_ms, struct buffer *output,
                    struct error *err) {
    enum { STEP = 16 * 1024, LOOK_AGAIN_MS = 100 };
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (bool last = false;;) {
        const int64_t left = end_ms - clock_monotonic_ms(clock_system());
        if (left <= 0) {
            return error_set(err, "timeout", "it did not end in time");
        }
        const int ready =
            poll(&readable, 1, last ? 0 : (int)(left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS));
        if (ready <= 0) {
            if (last) {
                return true;
            }
            last = process_wait(process, 0, 0, NULL) == PROCESS_EXITED;
            continue;
        }
        char chunk[STEP];
        const ssize_t count = read(fd, chunk, sizeof(chunk));
        if (count == 0) {
            return true;
        }
        if (count > 0 && !buffer_append(output, slice_make(chunk, (size_t)count))) {
            return error_set(err, "too_large", "it wrote more than %zu bytes", output->max);
        }
    }
}

bool process_run(const struct process_options *options, int64_t timeout_ms, struct buffer *output,
                 struct process_exit *end, struct error *err) {
    int fds[2] = {-1, -1};
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return error_errno(err, errno, "cannot start %s", options->argv[0]);
    }
    cleanup_close int read_fd = fds[0];
    cleanup_close int write_fd = fds[1];
    struct process_options with_pipe = *options;
    with_pipe.stdout_fd = write_fd;
    cleanup_process struct process *process = process_spawn(&with_pipe, err);
    if (!process) {
        return false;
    }
    (void)close(steal_fd(&write_fd));
    const int64_t end_ms = clock_monotonic_ms(clock_system()) + timeout_ms;
    bool done = collect(process, read_fd, end_ms, output, err);
    if (done) {
        const int64_t left = end_ms - clock_monotonic_ms(clock_system());
        done = process_wait(process, left > 0 ? left : 0, 0, end) == PROCESS_EXITED ||
               error_set(err, "timeout", "it did not end in time");
    }
    if (!done) {
        struct error ignored;
        if (options->own_group) {
            // Its id is still its own, as it is not reaped.
            (void)kill(-process_id(process), SIGKILL);
        }
        (void)process_signal(process, SIGKILL, &ignored);
        (void)process_wait(process, -1, 0, NULL);
        return error_prefix(err, "%s", options->argv[0]);
    }
    return true;
}

bool process_become_subreaper(struct error *err) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return error_errno(err, errno, "cannot become a subreaper");
    }
    return true;
}

bool process_hide_memory(struct error *err) {
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return error_errno(err, errno, "cannot make the process not dumpable");
    }
    return true;
}

bool process_hold_standard_descriptors(struct error *err) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        // Those below are open, so it gets the lowest number that is free.
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) != fd) {
            return error_errno(err, errno, "descriptor %d is closed, and /dev/null not there", fd);
        }
    }
    return true;
}
