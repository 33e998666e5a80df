// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/runtime/sigterm.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/log.h"

static int event_fd = -1;
static volatile sig_atomic_t came;
/// Of one that was not Lambda's; 0: none came.
static volatile sig_atomic_t pretender;

/// A job has our user, and may send what kill() and tgkill() send, which the kernel signs with the
/// sender's id, and what sigqueue() sends, whose sender and user it makes up, under any negative
/// code but these two (rt_sigqueueinfo(2)). Lambda is another user, of another pid namespace (pid
/// 0), or has started us. Async-signal-safe.
static bool is_lambdas(const siginfo_t *info) {
    if (info->si_code == SI_KERNEL) {
        return true;
    }
    if (info->si_code != SI_USER && info->si_code != SI_TKILL) {
        return false;
    }
    return info->si_uid != getuid() || info->si_pid == 0 || info->si_pid == 1 ||
           info->si_pid == getppid() || info->si_pid == getpid();
}

static void on_sigterm(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)context;
    if (!is_lambdas(info)) {
        pretender = info->si_pid > 0 ? info->si_pid : -1;
        return;
    }
    int saved = errno;
    came = 1;
    static const uint64_t one = 1;
    // The counter cannot overflow by signals that a process lives to see.
    ssize_t written = write(event_fd, &one, sizeof(one));
    (void)written;
    errno = saved;
}

bool sigterm_catch(struct error *err) {
    if (event_fd < 0) {
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (event_fd < 0) {
        return error_errno(err, errno, "cannot make an eventfd");
    }
    struct sigaction action = {.sa_sigaction = on_sigterm, .sa_flags = SA_RESTART | SA_SIGINFO};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0) {
        return error_errno(err, errno, "cannot set the signal actions");
    }
    return true;
}

int sigterm_fd(void) {
    return event_fd;
}

bool sigterm_came(void) {
    static bool told;
    if (pretender != 0 && !told) {
        told = true;
        log_warn("a process of our own user sent SIGTERM, as Lambda does: it is ignored",
                 log_int("pid", pretender));
    }
    return came != 0;
}
