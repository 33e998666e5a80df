// SPDX-License-Identifier: Apache-2.0
//
// Enters the sandbox of one Lambda execution environment and runs the function's bootstrap in it.
//
//   sandbox-enter CONFIG HANDLER
//
// The Runtime Interface Emulator starts this program in the place of a bootstrap. It makes the
// namespaces, and a small init (pid 1 of the sandbox) that belongs to another user than the
// function (or, for an ordinary user, is not dumpable), so that no process of the function's uid
// holds the function's keys in its environment, and no signal of a job reaches what plays Lambda.
//
// CONFIG has one `name=value` a line; see struct config. What happens is reported in lines on the
// FIFO `events`: `init PID SECONDS` (the pid as the caller sees it, the monotonic clock), `exit
// code N`, `exit signal N`, `fail TEXT` (no bootstrap can be run), `broken TEXT` (this machine
// allows no sandbox). When the reader of that FIFO is gone, the sandbox ends. With `keep` it
// outlives the function, with all that the function left in it, until the reader of that FIFO is
// gone, and `holder` starts the function again in such a sandbox.

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct config {
    char *root;            // the read-only root file system
    char *task;            // what is bound to /var/task
    char *opt;             // what is bound to /opt
    char *tmp_size;        // size of /tmp in bytes
    char *log;             // FIFO that takes the function's stdout and stderr
    char *events;          // FIFO that takes our reports
    char *environment;     // file with the function's variables, each ended by NUL
    char *user;            // the function's uid and gid inside of the sandbox
    char *mount_source;    // optional: what stands for the function's file system
    char *mount_target;    // optional: where it is mounted, read-only: /mnt/NAME
    char *mount_namespace; // optional: joined instead of made, to get a used /tmp back
    char *user_namespace;  // optional: joined with it
    char *keep;            // optional: FIFO; the sandbox lives on without the function
    char *no_seccomp;      // optional: any text; the function may put no seccomp filter on anything
    char *holder;          // optional: the init of a kept sandbox, whose namespaces are joined
};

static int events_fd = -1;

static void report(const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (events_fd < 0 || vdprintf(events_fd, format, args) < 0)
        perror("sandbox-enter: cannot report");
    va_end(args);
}

static _Noreturn void fail(const char *what) {
    int code = errno;
    report("broken %s: %s\n", what, strerror(code));
    fprintf(stderr, "sandbox-enter: %s: %s\n", what, strerror(code));
    _exit(125);
}

static void must(bool good, const char *what) {
    if (!good)
        fail(what);
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "re");
    must(file != NULL, path);
    char *content = NULL;
    size_t capacity = 0;
    ssize_t got = getdelim(&content, &capacity, EOF, file);
    must(got >= 0 || feof(file), path);
    *length = got > 0 ? (size_t)got : 0;
    fclose(file);
    return content;
}

static struct config read_config(const char *path) {
    struct config config = {0};
    const struct {
        const char *name;
        char **value;
        bool optional;
    } known[] = {
        {"root", &config.root, false},
        {"task", &config.task, false},
        {"opt", &config.opt, false},
        {"tmp_size", &config.tmp_size, false},
        {"log", &config.log, false},
        {"events", &config.events, false},
        {"environment", &config.environment, false},
        {"user", &config.user, false},
        {"mount_source", &config.mount_source, true},
        {"mount_target", &config.mount_target, true},
        {"mount_namespace", &config.mount_namespace, true},
        {"user_namespace", &config.user_namespace, true},
        {"keep", &config.keep, true},
        {"no_seccomp", &config.no_seccomp, true},
        {"holder", &config.holder, true},
    };
    const size_t count = sizeof known / sizeof *known;
    size_t length;
    char *rest = read_file(path, &length);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        for (size_t i = 0; i < count; i++)
            if (strcmp(line, known[i].name) == 0)
                *known[i].value = value;
    }
    errno = EINVAL;
    for (size_t i = 0; i < count; i++)
        must(known[i].optional || *known[i].value != NULL, known[i].name);
    return config;
}

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    must(fd >= 0, path);
    must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(fd);
}

static void join(int fd, int kind) {
    must(setns(fd, kind) == 0, "setns");
    close(fd);
}

// All namespaces of a process may be joined by it.
static int open_holder(const char *pid) {
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0U);
    must(fd >= 0, "the kept sandbox");
    must(fcntl(fd, F_SETFD, 0) == 0, "the kept sandbox"); // passes an exec
    return fd;
}

static int open_namespace(const char *path) {
    int fd = open(path, O_RDONLY); // passes an exec
    must(fd >= 0, path);
    return fd;
}

// Makes or joins the user namespace, and keeps its capabilities over the exec that follows: after
// an exec in the namespace the process belongs to it, so that its maker (and nobody inside) can
// look into it although it is not dumpable.
static void enter_user_namespace(const struct config *config) {
    if (config->holder != NULL) {
        join(open_holder(config->holder), CLONE_NEWUSER);
    } else if (config->user_namespace != NULL) {
        join(open_namespace(config->user_namespace), CLONE_NEWUSER);
    } else {
        char map[64];
        uid_t uid = geteuid();
        gid_t gid = getegid();
        must(unshare(CLONE_NEWUSER) == 0, "user namespaces are not allowed here: unshare");
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "%s %u 1\n", config->user, (unsigned)uid);
        write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "%s %u 1\n", config->user, (unsigned)gid);
        write_text("/proc/self/gid_map", map);
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    must(syscall(SYS_capget, &header, data) == 0, "capget");
    for (int i = 0; i < 2; i++)
        data[i].inheritable = data[i].permitted;
    must(syscall(SYS_capset, &header, data) == 0, "capset");
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
}

static void bind(const char *source, const char *root, const char *target, unsigned long flags) {
    char *path = NULL;
    must(asprintf(&path, "%s%s", root, target) >= 0, "asprintf");
    must(mount(source, path, NULL, MS_BIND, NULL) == 0, path);
    if (flags != 0)
        must(mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | flags, NULL) == 0, path);
    free(path);
}

// The function's file system (EFS), whose role may only ClientMount: read-only.
static void bind_file_system(const struct config *config) {
    const unsigned long read_only = MS_RDONLY | MS_NOSUID | MS_NODEV;
    char *folder = NULL;
    char *target = NULL;
    must(asprintf(&folder, "%s/mnt", config->root) >= 0, "asprintf");
    must(asprintf(&target, "%s%s", config->root, config->mount_target) >= 0, "asprintf");
    must(mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") == 0, folder);
    must(mkdir(target, 0755) == 0, target);
    bind(config->mount_source, config->root, config->mount_target, read_only);
    must(mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | read_only, NULL) == 0, folder);
    free(target);
    free(folder);
}

static void make_root(const struct config *config) {
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                          "/dev/urandom"};
    const unsigned long read_only = MS_RDONLY | MS_NOSUID | MS_NODEV;
    must(unshare(CLONE_NEWNS) == 0, "unshare mounts");
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make / private");
    bind(config->root, config->root, "", 0);
    bind(config->task, config->root, "/var/task", read_only);
    bind(config->opt, config->root, "/opt", read_only);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        bind(devices[i], config->root, devices[i], 0);
    if (config->mount_source != NULL)
        bind_file_system(config);
    char *tmp = NULL;
    char *options = NULL;
    must(asprintf(&tmp, "%s/tmp", config->root) >= 0, "asprintf");
    must(asprintf(&options, "size=%s,mode=0700,uid=%s,gid=%s", config->tmp_size, config->user,
                  config->user) >= 0,
         "asprintf");
    must(mount("tmpfs", tmp, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0, tmp);
    free(options);
    free(tmp);
}

// Mounts /proc for this PID namespace and makes the sandbox's root the root. A user namespace may
// mount a /proc only while an older one is in sight: so the old root goes last, and in mounts of
// an earlier life the new /proc covers the old.
static void enter_root(const struct config *config) {
    if (config->holder != NULL)
        return;
    const unsigned long read_only = MS_RDONLY | MS_NOSUID | MS_NODEV;
    bool again = config->mount_namespace != NULL;
    char *proc = NULL;
    must(asprintf(&proc, "%s/proc", again ? "" : config->root) >= 0, "asprintf");
    must(mount("proc", proc, "proc", read_only | MS_NOEXEC, NULL) == 0, "mount /proc");
    free(proc);
    if (again)
        return;
    must(chdir(config->root) == 0, config->root);
    must(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    must(umount2(".", MNT_DETACH) == 0, "unmount the old root");
    must(chdir("/") == 0, "/");
    must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | read_only, NULL) == 0, "make / read-only");
}

static void limit(__rlimit_resource_t resource, rlim_t value) {
    struct rlimit both = {value, value};
    must(setrlimit(resource, &both) == 0, "setrlimit");
}

static void drop_privileges(const struct config *config, bool own_users) {
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (!own_users) {
        uid_t user = (uid_t)strtoul(config->user, NULL, 10);
        must(setgroups(0, NULL) == 0, "setgroups");
        must(setresgid(user, user, user) == 0, "setresgid");
        must(setresuid(user, user, user) == 0, "setresuid");
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0, "clear ambient");
    must(syscall(SYS_capset, &header, none) == 0, "drop capabilities");
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
}

// Refuses filters, as a sandbox may that has one of its own.
static void forbid_seccomp(void) {
    struct sock_filter refusal[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {.len = sizeof refusal / sizeof *refusal, .filter = refusal};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static _Noreturn void run_function(const struct config *config, bool own_users, int log_fd,
                                   char *block, size_t length) {
    static const char *const places[] = {"/var/task/bootstrap", "/opt/bootstrap"};
    sigset_t none;
    sigemptyset(&none);
    must(setpgid(0, 0) == 0, "setpgid");
    int null = open("/dev/null", O_RDONLY);
    must(null >= 0 && dup2(null, 0) == 0, "/dev/null");
    must(dup2(log_fd, 1) == 1 && dup2(log_fd, 2) == 2, "log");
    limit(RLIMIT_NOFILE, 1024);
    limit(RLIMIT_NPROC, 1024);
    limit(RLIMIT_CORE, 0);
    umask(022);
    must(chdir("/var/task") == 0, "/var/task");
    drop_privileges(config, own_users);

    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += block[i] == '\0';
    char **variables = calloc(count + 1, sizeof *variables);
    must(variables != NULL, "memory");
    char *next = block;
    for (size_t i = 0; i < count; i++, next += strlen(next) + 1)
        variables[i] = next;
    must(sigprocmask(SIG_SETMASK, &none, NULL) == 0, "sigprocmask");
    must(fcntl(events_fd, F_SETFD, FD_CLOEXEC) == 0, "events");
    if (config->no_seccomp != NULL)
        forbid_seccomp();
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], F_OK) != 0)
            continue;
        char *arguments[] = {(char *)places[i], NULL};
        // While the code was unpacked, another process may have been started with the file open: it
        // holds it until its own exec.
        for (int tries = 0; tries < 100; tries++) {
            execve(places[i], arguments, variables);
            if (errno != ETXTBSY)
                break;
            usleep(20 * 1000);
        }
        report("fail fork/exec %s: %s\n", places[i], strerror(errno));
        _exit(125);
    }
    report("fail Couldn't find valid bootstrap(s): [%s %s]\n", places[0], places[1]);
    _exit(125);
}

// Stays for those that the function left, as the emulator's own sandbox does.
static _Noreturn void hold(int keep_fd) {
    for (;;) {
        struct pollfd keeper = {.fd = keep_fd, .events = 0};
        if (poll(&keeper, 1, 100) > 0)
            _exit(0);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}

// What became of the function is told, and with `keep_fd` the sandbox is left to itself.
static _Noreturn void end(int status, int over_fd, int keep_fd) {
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (keep_fd >= 0) {
        must(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) == 0, "pdeathsig");
        must(write(over_fd, &code, sizeof code) == sizeof code, "over");
        close(over_fd);
    }
    if (WIFEXITED(status))
        report("exit code %d\n", WEXITSTATUS(status));
    else
        report("exit signal %d\n", WTERMSIG(status));
    if (keep_fd < 0)
        _exit(code);
    close(events_fd);
    hold(keep_fd);
}

// Pid 1 of the sandbox: starts the function, passes SIGTERM on, reaps, and ends with the function.
// In a kept sandbox it is the function's parent alone.
static _Noreturn void be_init(const struct config *config, bool own_users, int log_fd,
                              int parent_fd, int over_fd, int keep_fd, char *block, size_t length) {
    must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "pdeathsig");
    struct pollfd parent = {.fd = parent_fd, .events = 0};
    must(poll(&parent, 1, 0) == 0, "the parent is gone");
    close(parent_fd);
    must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "dumpable");
    enter_root(config);
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGCHLD);
    must(sigprocmask(SIG_SETMASK, &waited, NULL) == 0, "sigprocmask");

    pid_t function = fork();
    must(function >= 0, "fork");
    if (function == 0)
        run_function(config, own_users, log_fd, block, length);
    explicit_bzero(block, length);
    close(log_fd);
    for (;;) {
        int signal_number = sigwaitinfo(&waited, NULL);
        if (signal_number == SIGTERM)
            kill(-function, SIGTERM);
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (pid != function)
                continue;
            end(status, over_fd, keep_fd);
        }
    }
}

// Waits for the sandbox's init, or for word of it that all is over (`over_fd`); ends it when nobody
// reads our reports any more.
static int watch(pid_t init, int over_fd) {
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    int signals = signalfd(-1, &waited, SFD_CLOEXEC);
    must(signals >= 0, "signalfd");
    for (;;) {
        struct pollfd fds[] = {{.fd = events_fd, .events = 0},
                               {.fd = signals, .events = POLLIN},
                               {.fd = over_fd, .events = POLLIN}};
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            fail("poll");
        int code;
        if ((fds[2].revents & POLLIN) != 0 && read(over_fd, &code, sizeof code) == sizeof code)
            return code;
        bool abandoned = (fds[0].revents & POLLERR) != 0;
        if (abandoned)
            kill(init, SIGKILL);
        int status;
        if (waitpid(init, &status, abandoned ? 0 : WNOHANG) == init)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        struct signalfd_siginfo info;
        if ((fds[1].revents & POLLIN) != 0 && read(signals, &info, sizeof info) < 0)
            fail("signalfd");
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: sandbox-enter CONFIG HANDLER\n");
        return 2;
    }
    struct config config = read_config(argv[1]);
    bool inside = argc == 5 && strcmp(argv[2], "--inside") == 0;
    bool own_users = inside || geteuid() != 0;
    // Held open over the exec: a FIFO without a writer means to its reader that all is over.
    events_fd = inside ? (int)strtol(argv[3], NULL, 10) : open(config.events, O_WRONLY);
    must(events_fd >= 0, config.events);
    if (own_users && !inside) {
        // It can be opened from outside of the user namespace only.
        int mounts = config.mount_namespace ? open_namespace(config.mount_namespace) : -1;
        if (config.holder != NULL)
            mounts = open_holder(config.holder);
        enter_user_namespace(&config);
        char numbers[2][16];
        snprintf(numbers[0], sizeof numbers[0], "%d", events_fd);
        snprintf(numbers[1], sizeof numbers[1], "%d", mounts);
        char *arguments[] = {argv[0], argv[1], "--inside", numbers[0], numbers[1], NULL};
        execv("/proc/self/exe", arguments);
        fail("exec");
    }
    size_t length;
    char *block = read_file(config.environment, &length);
    int log_fd = open(config.log, O_WRONLY | O_CLOEXEC);
    must(log_fd >= 0, config.log);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGCHLD);
    must(sigprocmask(SIG_SETMASK, &blocked, NULL) == 0, "sigprocmask");

    int passed = inside ? (int)strtol(argv[4], NULL, 10) : -1;
    const int kinds = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    // A kept sandbox stays kept by its first init.
    int keep_fd = -1;
    if (config.holder != NULL) {
        join(inside ? passed : open_holder(config.holder), CLONE_NEWNS | kinds);
    } else {
        if (config.keep != NULL) {
            keep_fd = open(config.keep, O_WRONLY | O_CLOEXEC);
            must(keep_fd >= 0, config.keep);
        }
        if (config.mount_namespace != NULL)
            join(inside ? passed : open_namespace(config.mount_namespace), CLONE_NEWNS);
        else
            make_root(&config);
        must(unshare(kinds) == 0, "unshare");
        must(sethostname("sandbox", 7) == 0, "sethostname");
    }
    int alive[2];
    int over[2];
    must(pipe2(alive, O_CLOEXEC) == 0 && pipe2(over, O_CLOEXEC) == 0, "pipe");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pid_t init = fork();
    must(init >= 0, "fork");
    if (init == 0) {
        close(alive[1]);
        close(over[0]);
        be_init(&config, own_users, log_fd, alive[0], over[1], keep_fd, block, length);
    }
    explicit_bzero(block, length);
    close(alive[0]);
    close(over[1]);
    if (keep_fd >= 0)
        close(keep_fd);
    report("init %d %lld.%09ld\n", (int)init, (long long)now.tv_sec, now.tv_nsec);
    return watch(init, keep_fd >= 0 ? over[0] : -1);
}
