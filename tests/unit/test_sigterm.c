// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bootstrap/runtime/sigterm.h"

static struct error err;

static bool is_readable(void) {
    struct pollfd event = {.fd = sigterm_fd(), .events = POLLIN};
    return poll(&event, 1, 0) == 1;
}

/// What a process that we start, as a job is one, sends to us.
static void in_a_child(void (*send)(pid_t target)) {
    const pid_t us = getpid();
    const pid_t child = fork();
    if (child == 0) {
        send(us);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void send_kill(pid_t target) {
    _exit(kill(target, SIGTERM) == 0 ? 0 : 1);
}

static void send_thread_kill(pid_t target) {
    _exit(syscall(SYS_tgkill, target, target, SIGTERM) == 0 ? 0 : 1);
}

static void queue(pid_t target, int code, pid_t pid) {
    siginfo_t info = {.si_signo = SIGTERM, .si_code = code};
    info.si_pid = pid;
    info.si_uid = 0;
    _exit(syscall(SYS_rt_sigqueueinfo, target, SIGTERM, &info) == 0 ? 0 : 1);
}

static void send_queued(pid_t target) {
    queue(target, SI_QUEUE, 0);
}

static void send_forged(pid_t target) {
    queue(target, SI_ASYNCNL, 1);
}

static void (*const senders[])(pid_t target) = {
    send_kill,
    send_thread_kill,
    send_queued,
    send_forged,
};

START_TEST(ignores_what_a_job_sends) {
    ck_assert(sigterm_catch(&err));
    in_a_child(senders[_i]);
    ck_assert(!sigterm_came());
    ck_assert(!is_readable());
}
END_TEST

static int wait_for_sigterm(void) {
    struct pollfd event = {.fd = sigterm_fd(), .events = POLLIN};
    while (poll(&event, 1, 20000) < 0) {
        // The signal itself ends the call.
    }
    return sigterm_came() ? 0 : 1;
}

START_TEST(takes_what_its_parent_sends) {
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        const bool good = sigterm_catch(&err) && write(ready[1], "x", 1) == 1;
        _exit(good ? wait_for_sigterm() : 2);
    }
    char byte;
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(child, SIGTERM), 0);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sigterm");
    TCase *sender = tcase_create("sender");
    tcase_add_loop_test(sender, ignores_what_a_job_sends, 0, sizeof(senders) / sizeof(*senders));
    tcase_add_test(sender, takes_what_its_parent_sends);
    suite_add_tcase(suite, sender);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
