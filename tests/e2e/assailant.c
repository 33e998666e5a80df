// SPDX-License-Identifier: Apache-2.0
//
// What a job may try with processes of its own user:
//
//   assailant attack PID    every call that could end, stop, slow down or limit that process, by
//   its id,
//                           by its threads' and with all others; a line `NAME: ANSWER` each
//   assailant limit PID RESOURCE LIMIT    prlimit: that soft and hard limit
//   assailant live          what programs do with themselves and their children; the same lines
//
// ANSWER is "done" or the name of the error.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name_of(int error) {
    switch (error) {
    case EPERM:
        return "EPERM";
    case ENOSYS:
        return "ENOSYS";
    case ESRCH:
        return "ESRCH";
    default:
        return strerror(error);
    }
}

static void say(const char *name, long answer) {
    printf("%s: %s\n", name, answer >= 0 ? "done" : name_of(errno));
}

static long limit(pid_t id, int resource) {
    const struct rlimit value = {1, 1};
    return syscall(SYS_prlimit64, id, resource, &value, NULL);
}

static long own_descriptor(int command, long argument) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return -1;
    const long answer = fcntl(ends[0], command, argument);
    close(ends[0]);
    close(ends[1]);
    return answer;
}

static long own_by_pointer(unsigned long command, pid_t id) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return -1;
    const long answer = syscall(SYS_ioctl, ends[0], command, &id);
    close(ends[0]);
    close(ends[1]);
    return answer;
}

static long send_by_pidfd(pid_t id, int number) {
    const int fd = (int)syscall(SYS_pidfd_open, id, 0);
    return fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
}

static long queue(pid_t group, pid_t id, int number) {
    siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
    return group > 0 ? syscall(SYS_rt_tgsigqueueinfo, group, id, number, &info)
                     : syscall(SYS_rt_sigqueueinfo, id, number, &info);
}

static long set_affinity(pid_t id) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    return sched_setaffinity(id, sizeof(one), &one);
}

// What one thread can be reached by; the process itself is its first thread.
static void attack_thread(pid_t process, pid_t id) {
    const struct sched_param none = {0};
    const char attributes[48] = {48, 0, 0, 0, SCHED_BATCH};
    say("kill", kill(id, SIGKILL));
    say("stop", kill(id, SIGSTOP));
    say("tkill", syscall(SYS_tkill, id, SIGKILL));
    say("tgkill", syscall(SYS_tgkill, process, id, SIGKILL));
    say("rt_sigqueueinfo", queue(0, id, SIGKILL));
    say("rt_tgsigqueueinfo", queue(process, id, SIGTERM));
    for (int resource = 0; resource < RLIM_NLIMITS; resource++)
        say("prlimit", limit(id, resource));
    say("F_SETOWN", own_descriptor(F_SETOWN, id));
    say("setpriority", setpriority(PRIO_PROCESS, (id_t)id, 19));
    say("sched_setscheduler", syscall(SYS_sched_setscheduler, id, SCHED_IDLE, &none));
    say("sched_setparam", syscall(SYS_sched_setparam, id, &none));
    say("sched_setattr", syscall(SYS_sched_setattr, id, attributes, 0));
    say("sched_setaffinity", set_affinity(id));
    say("ioprio_set",
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, id, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 7)));
}

static void attack_process(pid_t process) {
    const struct {
        int type;
        pid_t pid;
    } owner = {1, process}; // struct f_owner_ex, F_OWNER_PID
    const pid_t group = getpgid(process);
    say("pidfd_send_signal", send_by_pidfd(process, SIGKILL));
    say("F_SETOWN_EX", own_descriptor(15, (long)&owner));
    say("FIOSETOWN", own_by_pointer(0x8901, process));
    say("SIOCSPGRP", own_by_pointer(0x8902, process));
    say("kill of the user", kill(-1, SIGKILL));
    say("setpriority of the user", setpriority(PRIO_USER, 0, 19));
    say("ioprio_set of the user", syscall(SYS_ioprio_set, IOPRIO_WHO_USER, (int)getuid(),
                                          IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 7)));
    if (group > 0) {
        say("kill of the group", kill(-group, SIGKILL));
        say("setpgid", setpgid(0, group));
        say("setpriority of the group", setpriority(PRIO_PGRP, (id_t)group, 19));
        say("ioprio_set of the group", syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, group,
                                               IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 7)));
        say("F_SETOWN of the group", own_descriptor(F_SETOWN, -group));
    }
}

static int attack(pid_t process) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    DIR *threads = opendir(path);
    int count = 0;
    for (struct dirent *entry; threads && (entry = readdir(threads)) != NULL;) {
        const pid_t id = (pid_t)atoi(entry->d_name);
        if (id > 0) {
            attack_thread(process, id);
            count++;
        }
    }
    attack_process(process);
    printf("threads: %d\n", count);
    return 0;
}

static pid_t start_child(void) {
    const pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(child, child);
    return child;
}

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

static int live(void) {
    const pid_t child = start_child();
    const pid_t thread = (pid_t)syscall(SYS_gettid);
    const struct sched_param none = {0};
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    signal(SIGUSR1, count_signal);
    say("prlimit of itself by 0", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &files, NULL));
    say("prlimit of itself", syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, &files, NULL));
    say("prlimit of a child", syscall(SYS_prlimit64, child, RLIMIT_NOFILE, &files, NULL));
    say("affinity of itself", set_affinity(thread));
    say("affinity of a child", set_affinity(child));
    say("nice", setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1));
    say("nice of a child", setpriority(PRIO_PROCESS, (id_t)child, 18));
    say("nice of a group", setpriority(PRIO_PGRP, (id_t)child, 19));
    say("scheduler of a child", syscall(SYS_sched_setscheduler, child, SCHED_BATCH, &none));
    say("I/O class",
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)));
    say("tkill of itself", syscall(SYS_tkill, thread, SIGUSR1));
    say("tgkill of itself", syscall(SYS_tgkill, getpid(), thread, SIGUSR1));
    say("raise", raise(SIGUSR1));
    say("kill of itself", kill(getpid(), SIGUSR1));
    say("its signals", signals == 4 ? 0 : (errno = EPROTO, -1));
    say("owner of a descriptor", own_descriptor(F_SETOWN, getpid()));
    say("a thread as owner", own_descriptor(F_SETOWN, thread));
    say("a child as owner", own_descriptor(F_SETOWN, child));
    say("a group as owner", own_descriptor(F_SETOWN, -child));
    say("kill 0 of a child", kill(child, 0));
    say("kill of a group", kill(-child, SIGTERM));
    say("wait", waitpid(child, NULL, 0));
    printf("kill of nobody: %s\n", kill(child, SIGTERM) == 0 ? "done" : name_of(errno));
    return 0;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "attack") == 0)
        return attack((pid_t)atoi(argv[2]));
    if (argc == 5 && strcmp(argv[1], "limit") == 0) {
        const struct rlimit value = {strtoul(argv[4], NULL, 10), strtoul(argv[4], NULL, 10)};
        say("prlimit", prlimit((pid_t)atoi(argv[2]), atoi(argv[3]), &value, NULL));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "live") == 0)
        return live();
    return 2;
}
