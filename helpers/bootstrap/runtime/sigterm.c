// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/runtime/sigterm.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>

static int event_fd = -1;
static volatile sig_atomic_t came;

static void on_sigterm(int signal_number) {
    (void)signal_number;
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
    struct sigaction action = {.sa_handler = on_sigterm, .sa_flags = SA_RESTART};
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
    return came != 0;
}
