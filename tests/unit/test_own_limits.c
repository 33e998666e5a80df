// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bootstrap/confine/own_limits.h"
#include "common/array.h"

static struct error err;
static struct own_limits limits;

// Each runs in another process, and changes the thread of ours that it is given.

static long lower_limit(pid_t id, int resource, rlim_t soft, rlim_t hard) {
    const struct rlimit value = {soft, hard};
    return syscall(SYS_prlimit64, id, resource, &value, NULL);
}

static long lower_files(pid_t id) {
    return lower_limit(id, RLIMIT_NOFILE, 64, 128);
}

static long lower_file_size(pid_t id) {
    return lower_limit(id, RLIMIT_FSIZE, 1 << 20, 1 << 20);
}

static long lower_cpu_time(pid_t id) {
    return lower_limit(id, RLIMIT_CPU, 1000, 2000);
}

static long be_nice(pid_t id) {
    return syscall(SYS_setpriority, PRIO_PROCESS, id, 7);
}

static long be_batch(pid_t id) {
    const struct sched_param none = {0};
    return syscall(SYS_sched_setscheduler, id, SCHED_BATCH, &none);
}

static long pin(pid_t id) {
    const unsigned long one = 1;
    return syscall(SYS_sched_setaffinity, id, sizeof(one), &one);
}

static long be_idle(pid_t id) {
    return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, id, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static const struct {
    long (*attack)(pid_t id);
    const char *named;
} attacks[] = {
    {lower_files, "limit of open files"},
    {lower_file_size, "limit of file size"},
    {lower_cpu_time, "limit of CPU time"},
    {be_nice, "nice value"},
    {be_batch, "scheduling policy"},
    {pin, "affinity"},
    {be_idle, "I/O class"},
};

static void from_another_process(long (*attack)(pid_t id), pid_t id) {
    const pid_t child = fork();
    if (child == 0) {
        _exit(attack(id) == 0 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void remembered(void) {
    ck_assert_msg(own_limits_remember(&limits, &err), "%s", err.message);
    ck_assert_msg(own_limits_hold(&limits, &err), "%s", err.message);
}

static bool is_for_one_processor_alone(size_t attack) {
    return attacks[attack].attack == pin && sysconf(_SC_NPROCESSORS_ONLN) < 2;
}

START_TEST(names_what_was_changed) {
    remembered();
    if (is_for_one_processor_alone((size_t)_i)) {
        return;
    }
    from_another_process(attacks[_i].attack, getpid());
    ck_assert(!own_limits_hold(&limits, &err));
    ck_assert_str_eq(err.code, "changed");
    ck_assert_msg(strstr(err.message, attacks[_i].named) != NULL, "%s", err.message);
    own_limits_restore(&limits);
    // Once changed is changed, whatever was put back.
    ck_assert(!own_limits_hold(&limits, &err));
    ck_assert_msg(strstr(err.message, attacks[_i].named) != NULL, "%s", err.message);
}
END_TEST

static pthread_barrier_t barrier;
static pid_t other_thread;

static void *wait_twice(void *unused) {
    other_thread = (pid_t)syscall(SYS_gettid);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

START_TEST(sees_every_thread) {
    remembered();
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_twice, NULL), 0);
    pthread_barrier_wait(&barrier);
    ck_assert_msg(own_limits_hold(&limits, &err), "%s", err.message);
    from_another_process(be_nice, other_thread);
    ck_assert(!own_limits_hold(&limits, &err));
    ck_assert_msg(strstr(err.message, "nice value") != NULL, "%s", err.message);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}
END_TEST

static long lower_soft_files(pid_t id) {
    return lower_limit(id, RLIMIT_NOFILE, 4, limits.limits[RLIMIT_NOFILE].rlim_max);
}

START_TEST(puts_soft_limits_back) {
    remembered();
    from_another_process(lower_soft_files, getpid());
    ck_assert(!own_process_works(&err));
    own_limits_restore(&limits);
    ck_assert_msg(own_process_works(&err), "%s", err.message);
    ck_assert(!own_limits_hold(&limits, &err));
}
END_TEST

START_TEST(is_not_ended_by_a_limit) {
    remembered();
    char path[] = "/tmp/own-limits-XXXXXX";
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(lower_limit(0, RLIMIT_FSIZE, 1, 1), 0);
    // The process goes on, with an error that can be told.
    ck_assert_int_eq(pwrite(fd, "xx", 2, 0), 1);
    ck_assert_int_eq(pwrite(fd, "xx", 2, 1), -1);
    ck_assert_int_eq(kill(getpid(), SIGXCPU), 0);
    close(fd);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("own_limits");
    TCase *tcase = tcase_create("own_limits");
    tcase_add_loop_test(tcase, names_what_was_changed, 0, ARRAY_LENGTH(attacks));
    tcase_add_test(tcase, sees_every_thread);
    tcase_add_test(tcase, puts_soft_limits_back);
    tcase_add_test(tcase, is_not_ended_by_a_limit);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
