// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/confine/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bootstrap/confine/filter_program.h"
#include "common/alloc.h"
#include "common/cleanup.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct filter {
    struct filter_program program;
    /// The child's end, where it puts what the kernel said, and ours.
    int child;
    int parent;
    /// Kept free for the listener, should descriptors run out; -1: in use.
    int reserve;
    /// Where the kernel asks; -1: nowhere. The thread's.
    int listener;
    int stop;
    pthread_t thread;
    bool thread_runs;
    /// Raised by the thread when the next two are set.
    sem_t known;
    bool installed;
    struct error failure;
};

static int seccomp(unsigned operation, unsigned flags, void *arguments) {
    return (int)syscall(SYS_seccomp, operation, flags, arguments);
}

// --- In the new process --------------------------------------------------------------------------

/// Sends what came of it: an errno, or 0 and the listener's descriptor.
static void report(int to, int reason, int listener) {
    char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec piece = {.iov_base = &reason, .iov_len = sizeof(reason)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (listener >= 0) {
        message.msg_control = room;
        message.msg_controllen = sizeof(room);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &listener, sizeof(int));
    }
    // Where it is lost, the other side sees the end of the socket.
    (void)sendmsg(to, &message, MSG_NOSIGNAL);
}

void filter_install(void *context) {
    struct filter *filter = context;
    struct sock_fprog program = filter_program_view(&filter->program);
    // What reads memory ahead of branches is the job's own business: else all of it would be
    // slower.
    const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    int listener = -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
        // From Linux 5.19 on: signals do not interrupt what is being answered.
        listener = seccomp(SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                           &program);
        if (listener < 0 && errno == EINVAL) {
            listener = seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
        }
    }
    report(filter->child, listener < 0 ? errno : 0, listener);
}

// --- Answers -------------------------------------------------------------------------------------

/// Whether the id is that of a thread of this process, as it is now.
static bool is_our_thread(uint64_t argument) {
    return syscall(SYS_tgkill, getpid(), (pid_t)argument, 0) == 0;
}

static bool has_question(const struct filter *filter) {
    struct pollfd events[] = {
        {.fd = filter->listener, .events = POLLIN},
        {.fd = filter->stop, .events = POLLIN},
    };
    int ready;
    do {
        ready = poll(events, 2, -1);
    } while (ready < 0 && errno == EINTR);
    // Nobody is left under the filter: POLLHUP.
    return ready > 0 && events[1].revents == 0 && (events[0].revents & POLLIN) != 0;
}

/// The C libraries do not agree on the type of an ioctl's number.
static bool control(int fd, unsigned long number, void *argument) {
    return syscall(SYS_ioctl, fd, number, argument) == 0;
}

static void answer(const struct filter *filter, const struct seccomp_notif *question,
                   struct seccomp_notif_resp *response) {
    const unsigned at = filter_program_argument(question->data.nr);
    response->id = question->id;
    if (is_our_thread(question->data.args[at])) {
        response->error = -EPERM;
    } else {
        response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    // Who asked may be gone.
    (void)control(filter->listener, SECCOMP_IOCTL_NOTIF_SEND, response);
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/// The kernel's structures may be larger than those that we know.
static void answer_questions(const struct filter *filter) {
    struct seccomp_notif_sizes sizes = {0};
    (void)seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
    const size_t question_size = larger(sizes.seccomp_notif, sizeof(struct seccomp_notif));
    const size_t response_size =
        larger(sizes.seccomp_notif_resp, sizeof(struct seccomp_notif_resp));
    cleanup_free struct seccomp_notif *question = xcalloc(1, question_size);
    cleanup_free struct seccomp_notif_resp *response = xcalloc(1, response_size);
    while (has_question(filter)) {
        memset(question, 0, question_size);
        memset(response, 0, response_size);
        if (control(filter->listener, SECCOMP_IOCTL_NOTIF_RECV, question)) {
            answer(filter, question, response);
        }
    }
}

/// The listener, or -1 with an error.
static int receive(int from, struct error *err) {
    char room[CMSG_SPACE(sizeof(int))] = {0};
    int reason = ECONNRESET;
    struct iovec piece = {.iov_base = &reason, .iov_len = sizeof(reason)};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    ssize_t count;
    do {
        count = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    const struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    int listener = -1;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        memcpy(&listener, CMSG_DATA(header), sizeof(int));
    } else {
        error_errno(err, reason != 0 ? reason : EMFILE, "seccomp");
    }
    return listener;
}

static bool wait_for_report(struct filter *filter) {
    struct pollfd events[] = {
        {.fd = filter->parent, .events = POLLIN},
        {.fd = filter->stop, .events = POLLIN},
    };
    int ready;
    do {
        ready = poll(events, 2, -1);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && events[1].revents == 0;
}

static void *serve(void *context) {
    struct filter *filter = context;
    error_set(&filter->failure, "system", "the process did not start");
    if (wait_for_report(filter)) {
        cleanup_closep(&filter->reserve);
        filter->listener = receive(filter->parent, &filter->failure);
    }
    filter->installed = filter->listener >= 0;
    (void)sem_post(&filter->known);
    if (filter->installed) {
        answer_questions(filter);
    }
    return NULL;
}

// --- Our side ------------------------------------------------------------------------------------

static bool start_thread(struct filter *filter, struct error *err) {
    enum { STACK_SIZE = 64 * 1024 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    const int failure = pthread_create(&filter->thread, &attributes, serve, filter);
    pthread_attr_destroy(&attributes);
    filter->thread_runs = failure == 0;
    return filter->thread_runs || error_errno(err, failure, "cannot start a thread");
}

static bool open_descriptors(struct filter *filter, struct error *err) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return error_errno(err, errno, "cannot make a socket");
    }
    filter->parent = ends[0];
    filter->child = ends[1];
    filter->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    filter->reserve = filter->stop < 0 ? -1 : fcntl(filter->stop, F_DUPFD_CLOEXEC, 0);
    return filter->reserve >= 0 || error_errno(err, errno, "cannot make an event descriptor");
}

struct filter *filter_new(struct error *err) {
    struct filter *filter = xcalloc(1, sizeof(*filter));
    filter->parent = filter->child = filter->reserve = filter->listener = filter->stop = -1;
    (void)sem_init(&filter->known, 0, 0);
    filter_program_write(&filter->program, getpid(), getpgrp());
    if (!open_descriptors(filter, err) || !start_thread(filter, err)) {
        filter_destroy(filter);
        return NULL;
    }
    return filter;
}

bool filter_begin(struct filter *filter, struct error *err) {
    // The thread sees the end of the socket where the new process did not come so far.
    cleanup_closep(&filter->child);
    while (sem_wait(&filter->known) != 0 && errno == EINTR) {
    }
    if (!filter->installed) {
        *err = filter->failure;
    }
    return filter->installed;
}

void filter_destroy(struct filter *filter) {
    if (!filter) {
        return;
    }
    if (filter->thread_runs) {
        (void)eventfd_write(filter->stop, 1);
        pthread_join(filter->thread, NULL);
    }
    cleanup_closep(&filter->stop);
    cleanup_closep(&filter->reserve);
    cleanup_closep(&filter->listener);
    cleanup_closep(&filter->child);
    cleanup_closep(&filter->parent);
    (void)sem_destroy(&filter->known);
    free(filter);
}

void filter_destroyp(struct filter **filter) {
    filter_destroy(*filter);
}
