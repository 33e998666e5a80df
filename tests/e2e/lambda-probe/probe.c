// SPDX-License-Identifier: Apache-2.0
//
// Asks an execution environment of Lambda what no documentation says, and prints the answers as a
// table in Markdown. README.md says how to run it.
//
//   probe rows    the table's rows, for probe.sh in a job
//   bootstrap     a custom runtime: each event is answered with the table; the event {"die": true}
//                 leaves processes and kernel objects behind and ends the runtime without an answer
//
// It holds on to nothing of the environment's: no value of a variable is printed.

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define NOTES "/tmp/lambda-probe"
#define LENGTH(array) (sizeof(array) / sizeof *(array))
enum { ROW_SECONDS = 30, TABLE_SECONDS = 240, MOST_NAMES = 40, KEY = 0x9e0b };

// --- Answers -------------------------------------------------------------------------------------
// A question's function prints its answer; it runs in a process of its own.

// "yes", or what the kernel said.
static void tell(bool good) {
    int code = errno;
    if (good)
        printf("yes");
    else
        printf("no: %s", strerror(code));
}

static void tell_part(const char *name, bool good) {
    int code = errno;
    printf("%s ", name);
    errno = code;
    tell(good);
    printf("; ");
}

// The text of a small file on one line; "not there" where it is not.
static void tell_file(const char *path) {
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0) {
        printf("%s", errno == ENOENT ? "not there" : strerror(errno));
        return;
    }
    while (length > 0 && text[length - 1] == '\n')
        length--;
    printf("%.*s", (int)length, text);
}

// The lines of /proc/self/status that begin with one of these words.
static void tell_status(const char *const *words, size_t count) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[512];
    while (file && fgets(line, sizeof line, file)) {
        for (size_t i = 0; i < count; i++) {
            if (strncmp(line, words[i], strlen(words[i])) == 0) {
                line[strcspn(line, "\n")] = '\0';
                printf("%s; ", line);
            }
        }
    }
}

static void tell_path(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0) {
        printf("%s %s; ", path, errno == ENOENT ? "is not there" : strerror(errno));
        return;
    }
    printf("%s mode %06o owner %u:%u%s; ", path, (unsigned)status.st_mode, (unsigned)status.st_uid,
           (unsigned)status.st_gid, access(path, W_OK) == 0 ? " writable" : "");
}

// --- The machine ---------------------------------------------------------------------------------

static void kernel(void) {
    struct utsname names;
    uname(&names);
    printf("%s %s %s %s", names.sysname, names.release, names.version, names.machine);
}

static void boot(void) {
    tell_file("/proc/sys/kernel/random/boot_id");
}

static void processors(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    printf("%ld there, %d for us; policy %d, nice %d", sysconf(_SC_NPROCESSORS_ONLN),
           CPU_COUNT(&set), (int)syscall(SYS_sched_getscheduler, 0), getpriority(PRIO_PROCESS, 0));
}

static void memory(void) {
    printf("%ld MiB", sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024);
}

static void sysctls(void) {
    static const char *const names[] = {
        "kernel/yama/ptrace_scope",
        "kernel/unprivileged_userns_clone",
        "user/max_user_namespaces",
        "kernel/pid_max",
        "kernel/core_pattern",
        "kernel/keys/maxkeys",
        "kernel/keys/persistent_keyring_expiry",
        "kernel/shmmax",
        "kernel/shmall",
        "kernel/msgmni",
        "kernel/sem",
        "fs/mqueue/queues_max",
        "vm/overcommit_memory",
        "kernel/unprivileged_bpf_disabled",
        "kernel/io_uring_disabled",
        "kernel/randomize_va_space",
    };
    for (size_t i = 0; i < LENGTH(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
        printf("%s = ", names[i]);
        tell_file(path);
        printf("; ");
    }
}

// --- The process ---------------------------------------------------------------------------------

static void user(void) {
    static const char *const words[] = {"Uid:", "Gid:", "Groups:"};
    tell_status(words, LENGTH(words));
}

static void user_map(void) {
    tell_file("/proc/self/uid_map");
}

static void rights(void) {
    static const char *const words[] = {
        "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"};
    tell_status(words, LENGTH(words));
}

static void namespaces(void) {
    static const char *const names[] = {"pid", "ipc", "mnt", "net", "user", "uts", "cgroup"};
    static const char *const words[] = {"NSpid:"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        char path[64];
        char target[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        if (readlink(path, target, sizeof target - 1) < 0)
            snprintf(target, sizeof target, "%s: %s", names[i], strerror(errno));
        printf("%s; ", target);
    }
    tell_status(words, LENGTH(words));
}

static void limits(void) {
    tell_file("/proc/self/limits");
}

static void cgroup(void) {
    tell_file("/proc/self/cgroup");
}

static void oom_score(void) {
    tell_file("/proc/self/oom_score_adj");
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    printf("; may be raised: ");
    tell(fd >= 0 && write(fd, "1000", 4) == 4);
}

struct process {
    int parent;
    char name[32];
    unsigned long long start;
    unsigned user;
};

static bool look_up(int pid, struct process *process) {
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    char *begin = strchr(text, '(');
    char *end = strrchr(text, ')');
    if (!begin || !end)
        return false;
    *end = '\0';
    snprintf(process->name, sizeof process->name, "%s", begin + 1);
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    process->user = stat(path, &status) == 0 ? (unsigned)status.st_uid : ~0U;
    return sscanf(end + 1,
                  " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                  "%*d %*d %llu",
                  &process->parent, &process->start) == 2;
}

// The first is the process that ran us, which is gone from /proc where its namespace is another.
static void ancestors(void) {
    struct process process = {0};
    for (int pid = getppid(); pid > 0 && look_up(pid, &process); pid = process.parent)
        printf("%d %s of uid %u; ", pid, process.name, process.user);
    printf("group %d, session %d", getpgid(getppid()), getsid(getppid()));
}

static void processes(void) {
    DIR *proc = opendir("/proc");
    unsigned count = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc)) != NULL;) {
        struct process process;
        int pid = (int)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && look_up(pid, &process) && count++ < MOST_NAMES)
            printf("%d %s of uid %u, parent %d; ", pid, process.name, process.user, process.parent);
    }
    printf("%u in all", count);
}

static void tell_files_of(const char *process) {
    static const char *const names[] = {"environ", "mem", "exe", "maps"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%s/%s", process, names[i]);
        tell_part(names[i], open(path, O_RDONLY | O_CLOEXEC) >= 0);
    }
}

static void files_of_first(void) {
    tell_files_of("1");
}

// Its program has the mode 0711 in our zip: where Lambda keeps that, the kernel hides the process.
static void files_of_runtime(void) {
    const char *pid = getenv("LAMBDA_PROBE_PID");
    if (pid)
        tell_files_of(pid);
    else
        printf("not asked in a job");
}

// --- What the kernel lets us do ------------------------------------------------------------------

static pid_t sleeper(void) {
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return child;
}

static void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void seccomp(void) {
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, allow};
    tell(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

// Both are of interest: a debugger of jobs attaches, a launcher is traced from the start.
static void trace_child(void) {
    pid_t child = sleeper();
    tell_part("attach",
              ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0 && waitpid(child, NULL, 0) == child);
    char byte = 'a';
    struct iovec here = {&byte, 1};
    struct iovec there = {&byte, 1};
    tell_part("process_vm_readv", process_vm_readv(child, &here, 1, &there, 1, 0) == 1);
    end(child);
}

static void pidfds(void) {
    pid_t child = sleeper();
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0U);
    tell_part("pidfd_open", pidfd >= 0);
    tell_part("pidfd_send_signal", syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0U) == 0);
    tell_part("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0U) >= 0);
    end(child);
}

// Another process of the same user, that cannot be looked into.
static void hidden_process(void) {
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    usleep(100000);
    char path[64];
    struct rlimit limit = {1000, 1000};
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    snprintf(path, sizeof path, "/proc/%d/environ", child);
    tell_part("its environ can be read:", open(path, O_RDONLY) >= 0);
    tell_part("kill", kill(child, 0) == 0);
    tell_part("prlimit", prlimit(child, RLIMIT_NPROC, &limit, NULL) == 0);
    tell_part("setpriority", setpriority(PRIO_PROCESS, (id_t)child, 5) == 0);
    tell_part("sched_setaffinity", sched_setaffinity(child, sizeof set, &set) == 0);
    tell_part("ioprio_set", syscall(SYS_ioprio_set, 1, child, 2 << 13 | 7) == 0);
    end(child);
}

static void subreaper(void) {
    tell(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
}

static void calls(void) {
    char settings[120] = {0};
    tell_part("close_range", syscall(SYS_close_range, 100U, ~0U, 0U) == 0);
    tell_part("memfd_create", syscall(SYS_memfd_create, "probe", 0U) >= 0);
    tell_part("io_uring_setup", syscall(SYS_io_uring_setup, 1U, settings) >= 0);
    tell_part("landlock", syscall(SYS_landlock_create_ruleset, NULL, 0, 1U) >= 0);
    tell_part("fanotify_init", syscall(SYS_fanotify_init, 0x200U, 0U) >= 0);
    tell_part("userfaultfd", syscall(SYS_userfaultfd, 1) >= 0);
}

static void user_namespace(void) {
    tell(unshare(CLONE_NEWUSER) == 0);
}

static void system_v(void) {
    int memory_id = shmget(IPC_PRIVATE, 4096, 0600);
    tell_part("shared memory", memory_id >= 0 && shmat(memory_id, NULL, 0) != (void *)-1);
    int queue = msgget(IPC_PRIVATE, 0600);
    tell_part("messages", queue >= 0);
    int semaphores = semget(IPC_PRIVATE, 1, 0600);
    tell_part("semaphores", semaphores >= 0);
    struct shm_info info = {0};
    tell_part("can be listed", shmctl(0, SHM_INFO, (void *)&info) >= 0);
    printf("%d memory segments in sight with ours; ", info.used_ids);
    shmctl(memory_id, IPC_RMID, NULL);
    msgctl(queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
}

static void message_queue(void) {
    tell(mq_open("/lambda-probe", O_CREAT | O_RDWR, 0600, NULL) != (mqd_t)-1);
    mq_unlink("/lambda-probe");
}

static void named_semaphore(void) {
    tell(sem_open("/lambda-probe", O_CREAT, 0600, 1) != SEM_FAILED);
    sem_unlink("/lambda-probe");
}

static bool add_key(const char *name, long keyring) {
    return syscall(SYS_add_key, "user", name, "x", 1UL, keyring) >= 0;
}

static void keyrings(void) {
    long session = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
    printf("we came with the session keyring %ld; ", session);
    tell_part("a new session's", syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 &&
                                     add_key("lambda-probe", KEY_SPEC_SESSION_KEYRING));
    tell_part("the user's", add_key("lambda-probe", KEY_SPEC_USER_KEYRING));
    long persistent = syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING);
    tell_part("the persistent", persistent >= 0 && add_key("lambda-probe", persistent));
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", "lambda-probe", 0);
    syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING);
    key = syscall(SYS_keyctl, KEYCTL_SEARCH, persistent, "user", "lambda-probe", 0);
    syscall(SYS_keyctl, KEYCTL_UNLINK, key, persistent);
}

// --- Files ---------------------------------------------------------------------------------------

static void devices(void) {
    static const char *const paths[] = {"/dev",        "/dev/fd",  "/dev/stdin", "/dev/shm",
                                        "/dev/mqueue", "/dev/pts", "/dev/ptmx",  "/dev/tty",
                                        "/dev/null",   "/dev/kvm", "/dev/fuse",  "/dev/net/tun"};
    for (size_t i = 0; i < LENGTH(paths); i++)
        tell_path(paths[i]);
}

static void mounts(void) {
    FILE *file = fopen("/proc/self/mounts", "re");
    char line[1024];
    while (file && fgets(line, sizeof line, file)) {
        char place[256];
        char type[64];
        char options[256];
        if (sscanf(line, "%*s %255s %63s %255s", place, type, options) == 3)
            printf("%s %s %.40s; ", place, type, options);
    }
}

static unsigned writable;

// Without what is in a writable folder, and without devices, which have their own row.
static void look_in(const char *folder, int depth) {
    DIR *stream = depth > 0 ? opendir(*folder ? folder : "/") : NULL;
    for (struct dirent *entry; stream && (entry = readdir(stream)) != NULL;) {
        char path[1024];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            lstat(path, &status) != 0 || S_ISLNK(status.st_mode) || S_ISCHR(status.st_mode) ||
            strcmp(path, "/proc") == 0 || strcmp(path, "/sys") == 0)
            continue;
        if (access(path, W_OK) == 0 && writable++ < MOST_NAMES)
            printf("%s; ", path);
        else if (S_ISDIR(status.st_mode))
            look_in(path, depth - 1);
    }
    if (stream)
        closedir(stream);
}

static void writable_places(void) {
    look_in("", 30);
    printf("%u in all", writable);
}

static void programs_owner(void) {
    tell_path("/var/task");
    tell_path("/var/task/bootstrap");
    tell_path("/opt");
    tell_path("/opt/extensions");
    tell_path("/opt/bin/gitlab-runner");
}

static void tmp(void) {
    struct statvfs size;
    int flags = 0;
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    tell_path("/tmp");
    if (statvfs("/tmp", &size) == 0)
        printf("%llu MiB, %llu inodes; ", (unsigned long long)size.f_blocks * size.f_frsize >> 20,
               (unsigned long long)size.f_files);
    tell_part("extended attributes", setxattr("/tmp", "user.lambda-probe", "x", 1, 0) == 0);
    removexattr("/tmp", "user.lambda-probe");
    tell_part("flags", ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
    printf("they are 0x%x; ", (unsigned)flags);
    // An empty ACL is refused as such only where there are ACLs.
    tell_part("ACLs", setxattr("/tmp", "system.posix_acl_default", "\2\0\0\0", 4, 0) == 0 ||
                          errno == EINVAL);
    removexattr("/tmp", "system.posix_acl_default");
}

// --- Image ---------------------------------------------------------------------------------------

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *const program_folders[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin",
                                              "/var/lang/bin", "/opt/bin"};
static const char *const library_folders[] = {"/usr/lib64",
                                              "/lib64",
                                              "/usr/lib",
                                              "/var/lang/lib",
                                              "/usr/lib/x86_64-linux-gnu",
                                              "/usr/lib/aarch64-linux-gnu",
                                              "/opt/lib"};

static void list(const char *folder, const char *part) {
    DIR *stream = opendir(folder);
    char *names[4096];
    size_t count = 0;
    for (struct dirent *entry; stream && (entry = readdir(stream)) != NULL && count < 4096;)
        if (entry->d_name[0] != '.' && strstr(entry->d_name, part) != NULL)
            names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, compare_names);
    printf("%s:", folder);
    for (size_t i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("%s; ", stream ? "" : " not there");
    if (stream)
        closedir(stream);
}

static void programs(void) {
    for (size_t i = 0; i < LENGTH(program_folders); i++)
        list(program_folders[i], "");
}

// A folder that is a link to one before it would only say the same.
static void libraries(void) {
    for (size_t i = 0; i < LENGTH(library_folders); i++) {
        char real[PATH_MAX];
        bool same = realpath(library_folders[i], real) && strcmp(real, library_folders[i]) != 0;
        if (same)
            printf("%s is %s; ", library_folders[i], real);
        else
            list(library_folders[i], ".so");
    }
}

// The highest version among the symbol versions that begin so: GLIBC_2.34.
static void highest(const char *content, size_t length, const char *prefix) {
    unsigned best[3] = {0};
    for (const char *at = content;
         (at = memmem(at, length - (size_t)(at - content), prefix, strlen(prefix))) != NULL; at++) {
        unsigned here[3] = {0};
        char text[24];
        snprintf(text, sizeof text, "%.20s", at + strlen(prefix));
        if (sscanf(text, "%u.%u.%u", &here[0], &here[1], &here[2]) < 2)
            continue;
        for (size_t i = 0; i < 3 && here[i] >= best[i]; i++)
            if (here[i] > best[i]) {
                memcpy(best, here, sizeof best);
                break;
            }
    }
    if (best[0] > 0)
        printf(" %s%u.%u%s%.0u", prefix, best[0], best[1], best[2] > 0 ? "." : "", best[2]);
}

static void versions(void) {
    static const struct {
        const char *library;
        const char *prefixes[2];
    } table[] = {
        {"libc.so.6", {"GLIBC_"}},
        {"libm.so.6", {"GLIBC_"}},
        {"libstdc++.so.6", {"GLIBCXX_", "CXXABI_"}},
        {"libgcc_s.so.1", {"GCC_"}},
        {"libssl.so.3", {"OPENSSL_"}},
        {"libcrypto.so.3", {"OPENSSL_"}},
        {"libz.so.1", {"ZLIB_"}},
        {"libcurl.so.4", {"CURL_OPENSSL_"}},
    };
    for (size_t i = 0; i < LENGTH(table); i++) {
        printf("%s", table[i].library);
        int fd = -1;
        for (size_t j = 0; j < LENGTH(library_folders) && fd < 0; j++) {
            char path[128];
            snprintf(path, sizeof path, "%s/%s", library_folders[j], table[i].library);
            fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        struct stat status;
        char *content = MAP_FAILED;
        if (fd >= 0 && fstat(fd, &status) == 0)
            content = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        for (size_t j = 0; j < 2 && content != MAP_FAILED && table[i].prefixes[j]; j++)
            highest(content, (size_t)status.st_size, table[i].prefixes[j]);
        printf("%s; ", content == MAP_FAILED ? " is not there" : "");
        if (fd >= 0)
            close(fd);
    }
}

static void release(void) {
    tell_file("/etc/system-release");
}

static void certificates(void) {
    tell_path("/etc/pki/tls/certs/ca-bundle.crt");
    tell_path("/etc/ssl/certs/ca-certificates.crt");
}

// Names alone: the values are secrets in part.
static void variables(void) {
    extern char **environ;
    for (char **variable = environ; *variable; variable++)
        printf("%.*s ", (int)strcspn(*variable, "="), *variable);
}

// --- Network -------------------------------------------------------------------------------------

static void resolver(void) {
    char host[128] = "";
    gethostname(host, sizeof host - 1);
    const char *const names[] = {host, "localhost", "no-such-name.invalid", "sts.amazonaws.com"};
    tell_file("/etc/resolv.conf");
    printf("; ");
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct timespec before;
        struct timespec after;
        struct addrinfo *found = NULL;
        clock_gettime(CLOCK_MONOTONIC, &before);
        int code = getaddrinfo(names[i], NULL, NULL, &found);
        clock_gettime(CLOCK_MONOTONIC, &after);
        long ms =
            (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
        printf("%s: %s after %ld ms; ", i == 0 ? "our own host name" : names[i],
               code == 0 ? "found" : gai_strerror(code), ms);
        fflush(stdout);
    }
}

static void loopback(void) {
    int four = socket(AF_INET, SOCK_STREAM, 0);
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    tell_part("127.0.0.1", bind(four, (void *)&a, sizeof a) == 0);
    tell_part("::1", bind(six, (void *)&b, sizeof b) == 0);
}

// --- After a killed runtime ----------------------------------------------------------------------

// One line each: how it was started, pid and start time.
static void note_process(const char *how, pid_t pid) {
    struct process process = {0};
    FILE *file = fopen(NOTES "/processes", "ae");
    if (file && look_up(pid, &process))
        fprintf(file, "%s\t%d\t%llu\n", how, pid, process.start);
    if (file)
        fclose(file);
}

static void leave_process(const char *how, bool group, bool session, bool orphan) {
    pid_t child = fork();
    if (child != 0) {
        waitpid(child, NULL, orphan ? 0 : WNOHANG);
        return;
    }
    if (group)
        setpgid(0, 0);
    if (session)
        setsid();
    if (orphan && fork() != 0)
        _exit(0);
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    note_process(how, getpid());
    for (;;)
        pause();
}

static void leave_and_die(void) {
    mkdir(NOTES, 0700);
    leave_process("a child", false, false, false);
    leave_process("an orphan", false, false, true);
    leave_process("a child with a group of its own", true, false, false);
    leave_process("an orphan with a session of its own", false, true, true);
    shmget(KEY, 4096, IPC_CREAT | 0600);
    add_key("lambda-probe-left", KEY_SPEC_USER_KEYRING);
    FILE *file = fopen(NOTES "/life", "we");
    if (file) {
        fprintf(file, "pid %d, boot ", getpid());
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
        char boot_id[64] = "";
        if (read(fd, boot_id, 36) == 36)
            fputs(boot_id, file);
        fclose(file);
    }
    usleep(500000); // for the notes of the others
    printf("lambda-probe: the runtime ends itself, as it was told to\n");
    fflush(stdout);
    kill(getpid(), SIGKILL);
}

static void survivors(void) {
    FILE *file = fopen(NOTES "/processes", "re");
    char line[256];
    if (!file) {
        printf("not asked: invoke with {\"die\": true} first, or /tmp was another then");
        return;
    }
    while (fgets(line, sizeof line, file)) {
        char how[128];
        int pid;
        unsigned long long start;
        struct process process;
        if (sscanf(line, "%127[^\t]\t%d\t%llu", how, &pid, &start) == 3)
            printf("%s %s; ", how,
                   look_up(pid, &process) && process.start == start ? "lives" : "is gone");
    }
}

static void former_life(void) {
    tell_file(NOTES "/life");
    const char *pid = getenv("LAMBDA_PROBE_PID");
    printf("; now pid %s, boot ", pid ? pid : "of a job");
    tell_file("/proc/sys/kernel/random/boot_id");
}

static void left_objects(void) {
    tell_part("System V memory is there:", shmget(KEY, 0, 0) >= 0);
    tell_part("key is there:", syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user",
                                       "lambda-probe-left", 0) >= 0);
}

// --- Table ---------------------------------------------------------------------------------------

static const struct {
    const char *question;
    void (*answer)(void);
} rows[] = {
    {"kernel", kernel},
    {"boot", boot},
    {"processors", processors},
    {"memory", memory},
    {"kernel settings", sysctls},
    {"user", user},
    {"map of users", user_map},
    {"privileges, seccomp", rights},
    {"namespaces", namespaces},
    {"control group", cgroup},
    {"limits", limits},
    {"out-of-memory score", oom_score},
    {"who runs us, and who runs that", ancestors},
    {"processes in sight", processes},
    {"files of process 1 that can be read", files_of_first},
    {"files of the runtime that can be read", files_of_runtime},
    {"a seccomp filter can be installed", seccomp},
    {"a child can be traced", trace_child},
    {"process descriptors", pidfds},
    {"what can be done to a process that is not dumpable", hidden_process},
    {"orphans can be taken in", subreaper},
    {"other system calls", calls},
    {"user namespaces", user_namespace},
    {"System V objects", system_v},
    {"POSIX message queues", message_queue},
    {"POSIX named semaphores", named_semaphore},
    {"keyrings", keyrings},
    {"devices", devices},
    {"mounts", mounts},
    {"writable places", writable_places},
    {"/tmp", tmp},
    {"who owns the program, and its mode", programs_owner},
    {"release", release},
    {"certificates", certificates},
    {"programs", programs},
    {"libraries", libraries},
    {"versions of symbols", versions},
    {"names of variables", variables},
    {"resolver", resolver},
    {"loopback", loopback},
    {"the runtime that was killed", former_life},
    {"processes that outlived it", survivors},
    {"kernel objects that outlived it", left_objects},
};

// One cell: no newlines, and no bar that would end it.
static void print_cell(FILE *out, const char *text) {
    size_t length = strlen(text);
    while (length > 0 && strchr(" ;\n", text[length - 1]) != NULL)
        length--;
    if (length == 0)
        fputs("nothing", out);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == ' ' && text[i + 1] == ' ')
            continue;
        if (text[i] == '\n')
            fputs(" / ", out);
        else if (text[i] == '|')
            fputs("\\|", out);
        else if (text[i] == '\t')
            fputc(' ', out);
        else
            fputc((unsigned char)text[i] >= ' ' ? text[i] : '?', out);
    }
}

// What the row's process wrote, or how it ended.
static char *ask(void (*answer)(void), unsigned seconds) {
    int ends[2];
    size_t size = 0;
    char *text = NULL;
    FILE *all = open_memstream(&text, &size);
    if (!all || pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGTERM, SIG_DFL);
        dup2(ends[1], 1);
        alarm(seconds);
        answer();
        fflush(stdout);
        _exit(0);
    }
    close(ends[1]);
    char part[4096];
    for (ssize_t count; (count = read(ends[0], part, sizeof part)) > 0;)
        fwrite(part, 1, (size_t)count, all);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fprintf(all, " ... no answer within %u s", seconds);
    else if (WIFSIGNALED(status))
        fprintf(all, " ... killed by signal %d", WTERMSIG(status));
    fclose(all);
    return text;
}

static void print_rows(FILE *out) {
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *text = ask(rows[i].answer, ROW_SECONDS);
        fprintf(out, "| %s | ", rows[i].question);
        print_cell(out, text ? text : "out of memory");
        fputs(" |\n", out);
        free(text);
    }
    fflush(out);
}

// --- Runtime -------------------------------------------------------------------------------------

// Sends a request and returns the whole answer, with its head; NULL where there was none.
static char *request(const char *api, const char *line, const char *header, const char *body) {
    char host[64];
    unsigned short port;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (sscanf(api, "%63[^:]:%hu", host, &port) != 2 ||
        inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                  &address.sin_addr) != 1)
        return NULL;
    address.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (void *)&address, sizeof address) != 0)
        return NULL;
    dprintf(fd, "%s HTTP/1.1\r\n%sHost: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
            line, header, api, strlen(body), body);
    size_t size = 0;
    char *text = NULL;
    FILE *all = open_memstream(&text, &size);
    char part[4096];
    for (ssize_t count; (count = read(fd, part, sizeof part)) > 0;)
        fwrite(part, 1, (size_t)count, all);
    fclose(all);
    close(fd);
    return text;
}

static void say_who(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    dprintf(1, "lambda-probe: SIGTERM from pid %d of uid %u, code %d\n", (int)info->si_pid,
            (unsigned)info->si_uid, info->si_code);
    _exit(0);
}

static void run_script(void) {
    execl("/bin/bash", "bash", "/var/task/probe.sh", NULL);
    print_rows(stdout);
}

// The text as a JSON string, which is what Lambda hands on.
static char *quote(const char *text) {
    size_t size = 0;
    char *quoted = NULL;
    FILE *out = open_memstream(&quoted, &size);
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            fprintf(out, "\\u%04x", (unsigned)*text);
        else
            fputc((unsigned char)*text < 0x7f ? *text : '?', out);
    }
    fputc('"', out);
    fclose(out);
    return quoted;
}

static void answer_event(const char *api, const char *id) {
    char line[256];
    snprintf(line, sizeof line, "POST /2018-06-01/runtime/invocation/%s/response", id);
    char *table = ask(run_script, TABLE_SECONDS);
    char *body = quote(table ? table : "out of memory");
    free(request(api, line, "", body));
    free(table);
    free(body);
}

// The value of a header in an answer, into `value`.
static bool read_header(const char *answer, const char *name, char value[128]) {
    const char *at = answer ? strcasestr(answer, name) : NULL;
    return at && sscanf(at + strlen(name), ": %127[^\r]", value) == 1;
}

// Only who has an extension, if only an internal one, is told before it is ended. It has to wait
// for an event that never comes.
static void register_extension(const char *api) {
    char header[200];
    char identifier[128];
    char *answer = request(api, "POST /2020-01-01/extension/register",
                           "Lambda-Extension-Name: lambda-probe\r\n", "{\"events\":[]}");
    bool registered = read_header(answer, "\r\nLambda-Extension-Identifier", identifier);
    free(answer);
    if (!registered || fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(header, sizeof header, "Lambda-Extension-Identifier: %s\r\n", identifier);
    request(api, "GET /2020-01-01/extension/event/next", header, "");
    _exit(0);
}

static int serve(const char *api) {
    char pid[16];
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("LAMBDA_PROBE_PID", pid, 1);
    register_extension(api);
    struct sigaction action = {.sa_sigaction = say_who, .sa_flags = SA_SIGINFO};
    sigaction(SIGTERM, &action, NULL);
    for (;;) {
        char id[128];
        char *event = request(api, "GET /2018-06-01/runtime/invocation/next", "", "");
        if (!read_header(event, "\r\nLambda-Runtime-Aws-Request-Id", id))
            return 1;
        if (strstr(event, "\"die\"") != NULL)
            leave_and_die();
        answer_event(api, id);
        free(event);
    }
}

int main(int argc, char **argv) {
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "rows") == 0) {
        print_rows(stdout);
        return 0;
    }
    if (argc != 1 || !api) {
        fprintf(stderr, "usage: probe rows (or as the bootstrap of a function: README.md)\n");
        return 2;
    }
    return serve(api);
}
