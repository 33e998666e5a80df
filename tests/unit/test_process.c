// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/files.h"
#include "common/system/process.h"

static struct error err;

/// Runs a shell script with PATH and `environment`, and gives back what it wrote.
static char *output_of(const char *script, struct environment *environment,
                       struct process_exit *end) {
    environment_set_text(environment, "PATH", "/usr/bin:/bin");
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct process_options options = process_options(argv, environment);
    cleanup_buffer struct buffer output = BUFFER_INIT(1 << 20);
    struct process_exit ignored;
    ck_assert_msg(process_run(&options, 60000, &output, end ? end : &ignored, &err), "%s",
                  err.message);
    return slice_copy(buffer_slice(&output));
}

static struct process *start(const char *script) {
    struct environment environment = {0};
    environment_set_text(&environment, "PATH", "/usr/bin:/bin");
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct process_options options = process_options(argv, &environment);
    struct process *process = process_spawn(&options, &err);
    environment_clean_up(&environment);
    ck_assert_msg(process != NULL, "%s", err.message);
    return process;
}

START_TEST(gives_the_environment_that_was_built_and_nothing_else) {
    ck_assert_int_eq(setenv("SECRET_OF_OURS", "x", 1), 0);
    ck_assert_int_eq(setenv("RUNLET_TEST_A", "1", 1), 0);
    cleanup_environment struct environment environment = {0};
    const char *const names[] = {"RUNLET_TEST_*", NULL};
    environment_inherit(&environment, names);
    environment_set_text(&environment, "B", "old");
    environment_set_text(&environment, "B", "two words=three");
    environment_set_text(&environment, "C", "");
    environment_set_text(&environment, "D", "gone");
    environment_unset(&environment, "D");
    ck_assert_str_eq(environment_get(&environment, "B"), "two words=three");
    ck_assert_ptr_null(environment_get(&environment, "D"));
    const char *const argv[] = {"/usr/bin/env", NULL};
    const struct process_options options = process_options(argv, &environment);
    cleanup_buffer struct buffer output = BUFFER_INIT(4096);
    struct process_exit end;
    ck_assert_msg(process_run(&options, 60000, &output, &end, &err), "%s", err.message);
    ck_assert_int_eq(end.code, 0);
    ck_assert_ptr_null(strstr(buffer_text(&output), "SECRET"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&output), "RUNLET_TEST_A=1\n"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&output), "B=two words=three\n"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&output), "C=\n"));
    ck_assert_ptr_null(strstr(buffer_text(&output), "D="));
}
END_TEST

START_TEST(closes_all_other_descriptors) {
    cleanup_close int leak = open("/etc/passwd", O_RDONLY);
    cleanup_close int high = fcntl(leak, F_DUPFD, 900);
    ck_assert_int_ge(high, 900);
    cleanup_environment struct environment environment = {0};
    // ls itself opens the folder as 3.
    cleanup_free char *list = output_of("ls /proc/self/fd | tr '\\n' ' '", &environment, NULL);
    ck_assert_str_eq(list, "0 1 2 3 ");
}
END_TEST

START_TEST(resets_signals_and_the_mask) {
    ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    ck_assert(signal(SIGTERM, SIG_IGN) != SIG_ERR);
    sigset_t mask;
    sigfillset(&mask);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    cleanup_environment struct environment environment = {0};
    cleanup_free char *status =
        output_of("grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2", &environment, NULL);
    // 32 and 33 are the C library's own: it lets nobody change them, so they stay as inherited.
    const unsigned long long ours = ~(3ULL << 31);
    char *end = NULL;
    ck_assert_uint_eq(strtoull(status, &end, 16) & ours, 0);
    ck_assert_uint_eq(strtoull(end, &end, 16) & ours, 0);
    ck_assert_str_eq(end, "\n");
}
END_TEST

START_TEST(reports_a_program_that_cannot_be_started) {
    cleanup_environment struct environment environment = {0};
    const char *const missing[] = {"/nowhere/program", NULL};
    struct process_options options = process_options(missing, &environment);
    ck_assert_ptr_null(process_spawn(&options, &err));
    ck_assert_str_eq(err.code, "not_found");
    ck_assert_str_eq(err.message, "cannot start /nowhere/program: No such file or directory");

    const char *const no_program[] = {"/etc/passwd", NULL};
    options = process_options(no_program, &environment);
    ck_assert_ptr_null(process_spawn(&options, &err));
    ck_assert_int_eq(err.errnum, EACCES);

    const char *const good[] = {"/bin/true", NULL};
    options = process_options(good, &environment);
    options.directory = "/nowhere";
    ck_assert_ptr_null(process_spawn(&options, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "cannot change to its folder"));

    const char *const unknown[] = {"no-such-program-here", NULL};
    options = process_options(unknown, &environment);
    ck_assert_ptr_null(process_spawn(&options, &err));
    ck_assert_str_eq(err.code, "not_found");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); // Nothing is left to reap.
}
END_TEST

START_TEST(tells_status_and_signal) {
    cleanup_environment struct environment environment = {0};
    struct process_exit end;
    free(output_of("exit 7", &environment, &end));
    ck_assert_int_eq(end.code, 7);
    ck_assert_int_eq(end.signal, 0);
    free(output_of("kill -9 $$", &environment, &end));
    ck_assert_int_eq(end.code, -1);
    ck_assert_int_eq(end.signal, SIGKILL);
}
END_TEST

START_TEST(takes_the_descriptors_it_is_given) {
    int in[2];
    int out[2];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    cleanup_environment struct environment environment = {0};
    const char *const argv[] = {"/bin/sh", "-c", "cat; echo err >&2", NULL};
    struct process_options options = process_options(argv, &environment);
    options.stdin_fd = in[0];
    options.stdout_fd = out[1];
    options.stderr_fd = out[1];
    cleanup_process struct process *process = process_spawn(&options, &err);
    ck_assert_ptr_nonnull(process);
    close(in[0]);
    close(out[1]);
    ck_assert_int_eq(write(in[1], "hello ", 6), 6);
    close(in[1]);
    cleanup_buffer struct buffer text = BUFFER_INIT(100);
    ck_assert(files_read_fd(out[0], "pipe", &text, &err));
    close(out[0]);
    ck_assert_str_eq(buffer_text(&text), "hello err\n");
    ck_assert_int_eq(process_wait(process, -1, 0, NULL), PROCESS_EXITED);
}
END_TEST

START_TEST(waits_with_a_limit_and_can_be_woken) {
    cleanup_process struct process *process = start("exec sleep 1000");
    struct process_exit end;
    ck_assert_int_eq(process_wait(process, 0, 0, &end), PROCESS_RUNNING);
    ck_assert_int_eq(process_wait(process, 30, 0, &end), PROCESS_RUNNING);
    int wake[2];
    ck_assert_int_eq(pipe(wake), 0);
    ck_assert_int_eq(process_wait(process, 10, wake[0], &end), PROCESS_RUNNING);
    ck_assert_int_eq(write(wake[1], "x", 1), 1);
    ck_assert_int_eq(process_wait(process, -1, wake[0], &end), PROCESS_WOKEN);
    ck_assert(process_signal(process, SIGTERM, &err));
    ck_assert_int_eq(process_wait(process, -1, 0, &end), PROCESS_EXITED);
    ck_assert_int_eq(end.signal, SIGTERM);
    ck_assert(process_signal(process, SIGTERM, &err)); // It has ended: no failure.
    ck_assert_int_eq(process_wait(process, -1, wake[0], &end), PROCESS_EXITED);
}
END_TEST

static void be_traced(void *unused) {
    (void)unused;
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

START_TEST(takes_no_stop_of_a_traced_child_for_its_end) {
    cleanup_environment struct environment environment = {0};
    environment_set_text(&environment, "PATH", "/usr/bin:/bin");
    const char *const argv[] = {"sleep", "60", NULL};
    struct process_options options = process_options(argv, &environment);
    options.in_child = be_traced;
    cleanup_process struct process *process = process_spawn(&options, &err);
    ck_assert_msg(process != NULL, "%s", err.message);
    struct process_exit end;
    // It has stopped at its exec, as those who are traced do.
    ck_assert_int_eq(process_wait(process, 300, 0, &end), PROCESS_RUNNING);
    ck_assert(process_signal(process, SIGKILL, &err));
    ck_assert_int_eq(process_wait(process, 60000, 0, &end), PROCESS_EXITED);
    ck_assert_int_eq(end.signal, SIGKILL);
}
END_TEST

START_TEST(limits_time_and_output_of_a_run) {
    cleanup_environment struct environment environment = {0};
    environment_set_text(&environment, "PATH", "/usr/bin:/bin");
    const char *const slow[] = {"sh", "-c", "sleep 1000 & wait", NULL};
    struct process_options options = process_options(slow, &environment);
    cleanup_buffer struct buffer output = BUFFER_INIT(100);
    struct process_exit end;
    ck_assert(!process_run(&options, 200, &output, &end, &err));
    ck_assert_str_eq(err.code, "timeout");
    const char *const loud[] = {"sh", "-c", "while :; do echo yes; done", NULL};
    options = process_options(loud, &environment);
    ck_assert(!process_run(&options, 60000, &output, &end, &err));
    ck_assert_str_eq(err.code, "too_large");
}
END_TEST

START_TEST(keeps_the_end_of_a_process_that_was_reaped_with_the_orphans) {
    cleanup_process struct process *process = start("exit 5");
    unsigned reaped = 0;
    while (reaped == 0) {
        reaped = process_reap_orphans();
    }
    struct process_exit end;
    ck_assert_int_eq(process_wait(process, 0, 0, &end), PROCESS_EXITED);
    ck_assert_int_eq(end.code, 5);
}
END_TEST

/// Waits until a file has a content, as the sign that a script is where it should be.
static void wait_for_file(const char *path) {
    for (int i = 0; i < 6000; i++) {
        if (access(path, F_OK) == 0) {
            return;
        }
        clock_sleep_ms(clock_system(), 10, 0);
    }
    ck_abort_msg("%s did not come", path);
}

static void kill_all_within(int64_t limit_ms) {
    const int64_t begin = clock_monotonic_ms(clock_system());
    ck_assert_msg(process_kill_descendants(limit_ms, &err), "%s", err.message);
    ck_assert_int_lt(clock_monotonic_ms(clock_system()) - begin, limit_ms + 5000);
    ck_assert_uint_eq(process_count_descendants(), 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

START_TEST(kills_every_descendant_and_nobody_else) {
    // A bystander that is no descendant of the one that kills.
    const pid_t bystander = fork();
    if (bystander == 0) {
        pause();
        _exit(0);
    }
    const pid_t killer = fork();
    if (killer == 0) {
        ck_assert(process_become_subreaper(&err));
        char ready[] = "/tmp/test_process.XXXXXX";
        ck_assert_ptr_nonnull(mkdtemp(ready));
        cleanup_free char *flag = xasprintf("%s/flag", ready);
        // A tree, a daemon with a session of its own, one that ignores signals, a stopped one, one
        // with an odd name.
        cleanup_free char *script = xasprintf("trap '' TERM HUP INT\n"
                                              "cp /bin/sleep '%s/a) R 1 (b'\n"
                                              "(setsid sh -c 'sleep 1000 & exec sleep 1000' &) \n"
                                              "sleep 1000 & kill -STOP $!\n"
                                              "'%s/a) R 1 (b' 1000 &\n"
                                              "sh -c \"trap '' TERM; sh -c 'sleep 1000; :'; :\" &\n"
                                              ": > %s\nwait",
                                              ready, ready, flag);
        cleanup_process struct process *process = start(script);
        wait_for_file(flag);
        ck_assert_uint_ge(process_count_descendants(), 5);
        kill_all_within(30000);
        struct process_exit end;
        ck_assert_int_eq(process_wait(process, 0, 0, &end), PROCESS_EXITED);
        ck_assert_int_eq(end.signal, SIGKILL);
        ck_assert(files_remove_tree(ready, 0, &err));
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(killer, &status, 0), killer);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(waitpid(bystander, &status, WNOHANG), 0);
    ck_assert_int_eq(kill(bystander, SIGKILL), 0);
    ck_assert_int_eq(waitpid(bystander, &status, 0), bystander);
}
END_TEST

START_TEST(kills_as_the_bootstrap_does_it) {
    // Not root, not dumpable: most of /proc is closed to it then.
    const pid_t killer = fork();
    if (killer == 0) {
        if (geteuid() == 0) {
            ck_assert_int_eq(setgid(65534), 0);
            ck_assert_int_eq(setuid(65534), 0);
        }
        ck_assert(process_become_subreaper(&err));
        ck_assert(process_hide_memory(&err));
        int ready[2];
        ck_assert_int_eq(pipe(ready), 0);
        cleanup_environment struct environment environment = {0};
        environment_set_text(&environment, "PATH", "/usr/bin:/bin");
        const char *const argv[] = {
            "sh", "-c", "(setsid sh -c 'sleep 1000 & echo; exec sleep 1000' &); wait", NULL};
        struct process_options options = process_options(argv, &environment);
        options.stdout_fd = ready[1];
        cleanup_process struct process *process = process_spawn(&options, &err);
        ck_assert_ptr_nonnull(process);
        char byte;
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        ck_assert_uint_ge(process_count_descendants(), 2);
        kill_all_within(30000);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(killer, &status, 0), killer);
    ck_assert_int_eq(status, 0);
}
END_TEST

static int count_lines(const char *path) {
    cleanup_buffer struct buffer text = BUFFER_INIT(1 << 24);
    ck_assert(files_read(path, &text, &err));
    int lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n' ? 1 : 0;
    }
    return lines;
}

START_TEST(catches_a_process_that_forks_and_ends_again_and_again) {
    ck_assert(process_become_subreaper(&err));
    char path[] = "/tmp/test_process.XXXXXX";
    cleanup_close int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    const pid_t comet = fork();
    if (comet == 0) {
        for (;;) {
            if (fork() != 0) {
                _exit(0);
            }
            setsid();
            if (write(fd, "x\n", 2) != 2) {
                _exit(1);
            }
        }
    }
    while (count_lines(path) < 20) {
        clock_sleep_ms(clock_system(), 5, 0);
    }
    kill_all_within(60000);
    const int lines = count_lines(path);
    clock_sleep_ms(clock_system(), 50, 0);
    ck_assert_int_eq(count_lines(path), lines);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(ends_a_fork_bomb) {
    ck_assert(process_become_subreaper(&err));
    int alive[2];
    ck_assert_int_eq(pipe(alive), 0);
    if (fork() == 0) {
        // Bounded, so that a failure of the test is not one of the machine.
        for (int depth = 0; depth < 7; depth++) {
            (void)!fork();
        }
        (void)!write(alive[1], "x", 1);
        for (;;) {
            if (fork() == 0) {
                clock_sleep_ms(clock_system(), 1, 0);
                _exit(0);
            }
            while (waitpid(-1, NULL, 0) > 0) {
            }
        }
    }
    char byte;
    ck_assert_int_eq(read(alive[0], &byte, 1), 1);
    kill_all_within(60000);
}
END_TEST

static void *spawn_often(void *unused) {
    (void)unused;
    for (int i = 0; i < 50; i++) {
        struct error failure;
        struct environment environment = {0};
        const char *const argv[] = {"/bin/true", NULL};
        const struct process_options options = process_options(argv, &environment);
        struct process *process = process_spawn(&options, &failure);
        struct process_exit end = {.code = -2};
        if (process == NULL || process_wait(process, 60000, 0, &end) != PROCESS_EXITED ||
            end.code != 0) {
            return "failed";
        }
        process_destroy(process);
        process_reap_orphans();
    }
    return NULL;
}

START_TEST(works_from_several_threads) {
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_often, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *result = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_null(result);
    }
}
END_TEST

START_TEST(dies_with_its_parent_where_asked) {
    ck_assert(process_become_subreaper(&err));
    int fds[2];
    ck_assert_int_eq(pipe2(fds, 0), 0);
    const pid_t parent = fork();
    if (parent == 0) {
        cleanup_environment struct environment environment = {0};
        const char *const argv[] = {"/bin/sleep", "1000", NULL};
        struct process_options options = process_options(argv, &environment);
        options.die_with_parent = true;
        options.stdout_fd = fds[1];
        _exit(process_spawn(&options, &err) != NULL ? 0 : 1);
    }
    close(fds[1]);
    char byte;
    // The end of the pipe comes when the last of them is gone.
    ck_assert_int_eq(read(fds[0], &byte, 1), 0);
    while (process_reap_orphans() > 0) {
    }
}
END_TEST

START_TEST(gives_the_numbers_of_the_standard_descriptors_to_nothing_else) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    ck_assert(process_hold_standard_descriptors(&err));
    ck_assert_int_lt(write(STDOUT_FILENO, "x", 1), 0);
    cleanup_close int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ck_assert_int_gt(fd, STDERR_FILENO);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process");
    TCase *tcase = tcase_create("process");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, gives_the_environment_that_was_built_and_nothing_else);
    tcase_add_test(tcase, closes_all_other_descriptors);
    tcase_add_test(tcase, resets_signals_and_the_mask);
    tcase_add_test(tcase, reports_a_program_that_cannot_be_started);
    tcase_add_test(tcase, tells_status_and_signal);
    tcase_add_test(tcase, takes_the_descriptors_it_is_given);
    tcase_add_test(tcase, waits_with_a_limit_and_can_be_woken);
    tcase_add_test(tcase, takes_no_stop_of_a_traced_child_for_its_end);
    tcase_add_test(tcase, limits_time_and_output_of_a_run);
    tcase_add_test(tcase, keeps_the_end_of_a_process_that_was_reaped_with_the_orphans);
    tcase_add_test(tcase, kills_every_descendant_and_nobody_else);
    tcase_add_test(tcase, kills_as_the_bootstrap_does_it);
    tcase_add_test(tcase, catches_a_process_that_forks_and_ends_again_and_again);
    tcase_add_test(tcase, ends_a_fork_bomb);
    tcase_add_test(tcase, works_from_several_threads);
    tcase_add_test(tcase, dies_with_its_parent_where_asked);
    tcase_add_test(tcase, gives_the_numbers_of_the_standard_descriptors_to_nothing_else);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
