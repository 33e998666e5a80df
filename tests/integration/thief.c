// SPDX-License-Identifier: Apache-2.0
//
// What a job of the same user sees of a program that has just been started. To be run by root:
//
//   thief UID PROGRAM spin RUNS    starts PROGRAM that often, and for each start tries to read its
//                                  environment all the time; prints how often that worked
//   thief UID PROGRAM step COUNT   stops PROGRAM after COUNT instructions; prints "open" or
//   "hidden",
//                                  for before the first of them and for then
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "the-secret-of-the-function"

static uid_t uid;
static int program;

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(2);
}

static void drop_privileges(void) {
    if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0) {
        fail("cannot take the user's id");
    }
}

/// In the prey: as Lambda starts a bootstrap, from a process that the user cannot look into.
static _Noreturn void become_program(void) {
    drop_privileges();
    prctl(PR_SET_DUMPABLE, 0);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    char *const argv[] = {"program", "--version", NULL};
    char *const environment[] = {"AWS_SECRET_ACCESS_KEY=" SECRET, NULL};
    fexecve(program, argv, environment);
    fail("cannot start the program");
}

static int open_environment(pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/// What is open may be read at any later time: the environment may not be in its place yet.
static bool read_secret(int fd) {
    char bytes[4096];
    for (int i = 0; i < 2000; i++) {
        const ssize_t count = pread(fd, bytes, sizeof(bytes), 0);
        if (count > 0 && memmem(bytes, (size_t)count, SECRET, strlen(SECRET))) {
            return true;
        }
    }
    return false;
}

/// In the thief: whether it got the secret before the prey was gone.
static _Noreturn void spin(pid_t prey, int go) {
    drop_privileges();
    if (write(go, "x", 1) != 1) {
        fail("cannot let the program go");
    }
    for (;;) {
        const int fd = open_environment(prey);
        if (fd >= 0) {
            _exit(read_secret(fd) ? 1 : 0);
        }
        if (errno == ENOENT) {
            _exit(0);
        }
    }
}

static int status_of(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid) {
        fail("cannot wait");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

static bool run_is_caught(void) {
    int go[2];
    if (pipe2(go, O_CLOEXEC) < 0) {
        fail("cannot make a pipe");
    }
    const pid_t prey = fork();
    if (prey == 0) {
        char byte;
        prctl(PR_SET_DUMPABLE, 0);
        _exit(read(go[0], &byte, 1) == 1 ? (become_program(), 0) : 2);
    }
    const pid_t thief = fork();
    if (thief == 0) {
        spin(prey, go[1]);
    }
    close(go[0]);
    close(go[1]);
    // A prey that is reaped is what the thief waits for.
    if (status_of(prey) != 0) {
        fprintf(stderr, "the program failed\n");
        exit(2);
    }
    const int caught = status_of(thief);
    if (caught > 1) {
        exit(2);
    }
    return caught == 1;
}

static const char *view_of(pid_t prey) {
    const pid_t looker = fork();
    if (looker == 0) {
        drop_privileges();
        _exit(open_environment(prey) >= 0 ? 1 : 0);
    }
    return status_of(looker) == 1 ? "open" : "hidden";
}

static void wait_for_stop(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        fail("the program does not stop");
    }
}

static void step(long count) {
    const pid_t prey = fork();
    if (prey == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        become_program();
    }
    wait_for_stop(prey);
    const char *before = view_of(prey);
    for (long i = 0; i < count; i++) {
        if (ptrace(PTRACE_SINGLESTEP, prey, NULL, NULL) < 0) {
            fail("cannot step");
        }
        wait_for_stop(prey);
    }
    printf("%s %s\n", before, view_of(prey));
    kill(prey, SIGKILL);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: thief UID PROGRAM spin|step COUNT\n");
        return 2;
    }
    uid = (uid_t)strtoul(argv[1], NULL, 10);
    program = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (program < 0) {
        fail(argv[2]);
    }
    const long count = strtol(argv[4], NULL, 10);
    if (strcmp(argv[3], "step") == 0) {
        step(count);
        return 0;
    }
    int caught = 0;
    for (long i = 0; i < count; i++) {
        caught += run_is_caught();
    }
    printf("%d\n", caught);
    return 0;
}
