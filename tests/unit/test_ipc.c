// SPDX-License-Identifier: Apache-2.0
/// Each test runs in a process, in namespaces and with a user of its own, without privileges:
/// all that the machine's users have stays as it is.
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bootstrap/confine/ipc.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/files.h"

enum { USER = 54325 };

static struct error err;

static void write_text(const char *path, const char *text) {
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0 && files_write_fd(fd, path, slice_text(text), &err), "%s", path);
}

/// In it we are USER, with keyrings that end with it. What is done to some cannot be undone.
static void enter_user_namespace(void) {
    cleanup_free char *users = xasprintf("%d %u 1", USER, (unsigned)geteuid());
    cleanup_free char *groups = xasprintf("%d %u 1", USER, (unsigned)getegid());
    ck_assert_int_eq(unshare(CLONE_NEWUSER), 0);
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", users);
    write_text("/proc/self/gid_map", groups);
}

static void enter_namespaces(void) {
    ck_assert_int_eq(unshare(CLONE_NEWIPC | CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    // What our user has in these is none of the tests' business.
    static const char *const places[] = {"/dev/shm", "/dev/mqueue", "/var/tmp"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert(access(places[i], F_OK) != 0 ||
                  mount("none", places[i], "tmpfs", 0, "size=1m,mode=1777") == 0);
    }
}

static void drop_privileges(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    ck_assert_int_eq(syscall(SYS_capset, &header, none), 0);
}

/// Outside, another user for each process, as what a user's keys may take is counted there.
static void become_nobody_else(void) {
    const uid_t user = 1000000 + (uid_t)getpid();
    ck_assert_int_eq(setresgid(user, user, user), 0);
    ck_assert_int_eq(setresuid(user, user, user), 0);
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0); // for its files in /proc
}

static void be_alone(void) {
    if (geteuid() == 0) {
        become_nobody_else();
    }
    enter_user_namespace();
    enter_namespaces();
    drop_privileges();
}

/// For tests with objects of others, which root alone can make.
static void become_user(void) {
    ck_assert_int_eq(setresgid(USER, USER, USER), 0);
    ck_assert_int_eq(setresuid(USER, USER, USER), 0);
}

static void clear(void) {
    ck_assert_msg(ipc_clear(10000, &err), "%s", err.message);
}

// --- System V ------------------------------------------------------------------------------------

static bool is_gone(int result) {
    return result < 0 && (errno == EINVAL || errno == EIDRM);
}

START_TEST(removes_system_v_objects_of_any_mode) {
    be_alone();
    static const int modes[] = {0600, 0, 0222};
    int memory[3];
    int queues[3];
    int semaphores[3];
    for (size_t i = 0; i < 3; i++) {
        memory[i] = shmget((key_t)(100 + i), 1 << 20, IPC_CREAT | IPC_EXCL | modes[i]);
        queues[i] = msgget((key_t)(100 + i), IPC_CREAT | IPC_EXCL | modes[i]);
        semaphores[i] = semget((key_t)(100 + i), 3, IPC_CREAT | IPC_EXCL | modes[i]);
        ck_assert(memory[i] >= 0 && queues[i] >= 0 && semaphores[i] >= 0);
    }

    clear();

    for (size_t i = 0; i < 3; i++) {
        struct shmid_ds status;
        struct msqid_ds queue;
        ck_assert(is_gone(shmctl(memory[i], IPC_STAT, &status)));
        ck_assert(is_gone(msgctl(queues[i], IPC_STAT, &queue)));
        ck_assert(is_gone(semctl(semaphores[i], 0, GETVAL)));
    }
}
END_TEST

START_TEST(removes_what_was_given_away) {
    if (geteuid() != 0) {
        return; // There is nobody to give it to.
    }
    enter_namespaces();
    become_user();
    const int id = shmget(IPC_PRIVATE, 4096, 0600);
    struct shmid_ds status;
    ck_assert_int_eq(shmctl(id, IPC_STAT, &status), 0);
    status.shm_perm.uid = 0;
    ck_assert_int_eq(shmctl(id, IPC_SET, &status), 0);

    clear();

    ck_assert(is_gone(shmctl(id, IPC_STAT, &status)));
}
END_TEST

START_TEST(leaves_the_objects_of_others) {
    if (geteuid() != 0) {
        return;
    }
    enter_namespaces();
    const int id = shmget(IPC_PRIVATE, 4096, 0666);
    ck_assert_int_ge(id, 0);
    become_user();

    clear();

    struct shmid_ds status;
    ck_assert_int_eq(shmctl(id, IPC_STAT, &status), 0);
}
END_TEST

START_TEST(says_that_memory_is_still_in_use) {
    be_alone();
    const int id = shmget(IPC_PRIVATE, 4096, 0600);
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        const bool good = shmat(id, NULL, 0) != (void *)-1;
        (void)!write(ready[1], &good, sizeof(good));
        (void)pause();
        _exit(1);
    }
    bool attached = false;
    ck_assert_int_eq(read(ready[0], &attached, sizeof(attached)), sizeof(attached));
    ck_assert(attached);

    const bool done = ipc_clear(10000, &err);

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert(!done);
    ck_assert_str_eq(err.code, "Runtime.WorkspaceDirty");
    ck_assert_ptr_nonnull(strstr(err.message, "System V shared memory"));
    clear();
}
END_TEST

START_TEST(works_through_thousands) {
    be_alone();
    enum { MANY = 3000 };
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_ge(semget(IPC_PRIVATE, 1, 0), 0);
    }
    clear();
    struct seminfo info;
    ck_assert_int_ge(semctl(0, 0, SEM_INFO, &info), 0);
    ck_assert_int_eq(info.semusz, 0); // here: the number of sets
}
END_TEST

// --- Message queues ------------------------------------------------------------------------------

START_TEST(makes_message_queues_impossible) {
    be_alone();
    ck_assert_msg(ipc_prepare(&err), "%s", err.message);
    ck_assert_int_eq(mq_open("/queue", O_CREAT | O_RDWR, 0600, NULL), (mqd_t)-1);
    ck_assert_int_eq(errno, EMFILE);
}
END_TEST

// --- Keyrings ------------------------------------------------------------------------------------

static long add_key(long keyring, const char *name) {
    return syscall(SYS_add_key, "user", name, "a secret", 8UL, keyring);
}

static bool has_key(long keyring, const char *name) {
    return syscall(SYS_keyctl, KEYCTL_SEARCH, keyring, "user", name, 0) >= 0;
}

/// A container's filter may forbid keyrings: then a job has none.
static bool has_keyrings(void) {
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1) >= 0;
}

START_TEST(empties_the_users_keyrings) {
    be_alone();
    if (!has_keyrings()) {
        clear();
        return;
    }
    const long persistent =
        syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING);
    ck_assert_int_gt(add_key(KEY_SPEC_USER_KEYRING, "one"), 0);
    ck_assert_int_gt(add_key(KEY_SPEC_USER_SESSION_KEYRING, "two"), 0);
    ck_assert(persistent < 0 || add_key(persistent, "three") > 0);

    clear();

    ck_assert(!has_key(KEY_SPEC_USER_KEYRING, "one"));
    ck_assert(!has_key(KEY_SPEC_USER_SESSION_KEYRING, "two"));
    ck_assert(persistent < 0 || !has_key(persistent, "three"));
}
END_TEST

START_TEST(keeps_keyrings_open_for_us) {
    be_alone();
    clear();
    if (!has_keyrings()) {
        return;
    }
    static const long keyrings[] = {KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_gt(add_key(keyrings[i], "one"), 0);
        ck_assert_int_eq(syscall(SYS_keyctl, KEYCTL_SETPERM, keyrings[i], 0), -1);
        ck_assert_int_eq(errno, EACCES);
        ck_assert_int_eq(syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, keyrings[i], 1), -1);
        ck_assert_int_eq(errno, EACCES);
    }
    clear();
    ck_assert(!has_key(KEY_SPEC_USER_KEYRING, "one"));
    ck_assert(!has_key(KEY_SPEC_USER_SESSION_KEYRING, "one"));
}
END_TEST

START_TEST(says_that_a_keyring_cannot_be_emptied) {
    be_alone();
    if (!has_keyrings()) {
        clear();
        return;
    }
    // What is in the other one could still be read by its number.
    ck_assert_int_gt(add_key(KEY_SPEC_USER_SESSION_KEYRING, "one"), 0);
    ck_assert_int_eq(syscall(SYS_keyctl, KEYCTL_REVOKE, KEY_SPEC_USER_KEYRING), 0);
    ck_assert(!ipc_clear(10000, &err));
    ck_assert_str_eq(err.code, "Runtime.WorkspaceDirty");
    ck_assert_ptr_nonnull(strstr(err.message, "user keyring"));
}
END_TEST

/// The kernel gives back what keys took a moment after they are gone.
static bool can_add_soon(const char *name) {
    for (int i = 0; i < 1000; i++) {
        if (add_key(KEY_SPEC_SESSION_KEYRING, name) > 0) {
            return true;
        }
        (void)clock_sleep_ms(clock_system(), 10, -1);
    }
    return false;
}

START_TEST(makes_room_for_keys_at_init) {
    be_alone();
    if (!has_keyrings()) {
        clear();
        return;
    }
    char name[16] = "first";
    for (int i = 0; add_key(KEY_SPEC_USER_KEYRING, name) > 0; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
    }
    ck_assert_int_eq(errno, EDQUOT);
    ck_assert_msg(ipc_prepare(&err), "%s", err.message);
    ck_assert(can_add_soon("one"));
}
END_TEST

START_TEST(gives_each_job_a_session_keyring_of_its_own) {
    be_alone();
    if (!has_keyrings()) {
        clear();
        return;
    }
    ck_assert_msg(ipc_prepare(&err), "%s", err.message);
    ck_assert(can_add_soon("one"));

    clear();

    ck_assert(!has_key(KEY_SPEC_SESSION_KEYRING, "one"));
    // Also where the last job used up all that the user may have, or spoiled its keyring.
    char name[16];
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        if (add_key(KEY_SPEC_SESSION_KEYRING, name) < 0) {
            ck_assert_int_eq(errno, EDQUOT);
            break;
        }
    }
    clear();
    ck_assert(can_add_soon("two"));
    ck_assert_int_eq(syscall(SYS_keyctl, KEYCTL_REVOKE, KEY_SPEC_SESSION_KEYRING), 0);
    clear();
    ck_assert(can_add_soon("three"));
}
END_TEST

// --- Where the kernel lets us do nothing ---------------------------------------------------------

/// From here on the calls that ipc.c is about fail so.
static void refuse(unsigned errnum) {
    static const unsigned numbers[] = {SYS_keyctl, SYS_shmctl, SYS_msgctl, SYS_semctl};
    enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
    struct sock_filter filter[2 * COUNT + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    for (size_t i = 0; i < COUNT; i++) {
        filter[1 + 2 * i] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
        filter[2 + 2 * i] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum);
    }
    filter[2 * COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {2 * COUNT + 2, filter};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static const unsigned refusals[] = {EPERM, ENOSYS};

START_TEST(does_without_what_the_kernel_refuses) {
    be_alone();
    const pid_t child = fork();
    if (child == 0) {
        refuse(refusals[_i]);
        _exit(ipc_prepare(&err) && ipc_clear(10000, &err) ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

// --- Folders -------------------------------------------------------------------------------------

START_TEST(removes_our_files_where_everybody_may_write) {
    if (geteuid() != 0) {
        return; // It has nothing of others.
    }
    enter_namespaces();
    ck_assert(files_make_directories("/var/tmp/theirs/inner", 0777, &err));
    become_user();
    ck_assert(files_make_directories("/var/tmp/ours/inner", 0700, &err));
    for (int i = 0; i < 500; i++) {
        cleanup_free char *file = xasprintf("/var/tmp/%d", i);
        cleanup_close int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
    }

    ck_assert_msg(ipc_clear_folder("/var/tmp", 10000, &err), "%s", err.message);

    ck_assert_int_eq(access("/var/tmp/theirs/inner", F_OK), 0);
    ck_assert_int_eq(access("/var/tmp/ours", F_OK), -1);
    ck_assert_int_eq(access("/var/tmp/499", F_OK), -1);
    ck_assert_msg(ipc_clear_folder("/missing", 10000, &err), "%s", err.message);
    ck_assert_int_eq(symlink("/var/tmp/theirs", "/var/tmp/link"), 0);
    ck_assert_msg(ipc_clear_folder("/var/tmp/link", 10000, &err), "%s", err.message);
    ck_assert_int_eq(access("/var/tmp/link", F_OK), 0);
}
END_TEST

START_TEST(removes_our_files_where_the_folder_is_ours) {
    be_alone();
    ck_assert(files_make_directories("/var/tmp/ours/inner", 0700, &err));
    ck_assert_int_eq(chmod("/var/tmp", 0), 0);

    ck_assert_msg(ipc_clear_folder("/var/tmp", 10000, &err), "%s", err.message);

    ck_assert_int_eq(chmod("/var/tmp", 0700), 0);
    ck_assert_int_eq(access("/var/tmp/ours", F_OK), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ipc");
    TCase *tests = tcase_create("ipc");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, removes_system_v_objects_of_any_mode);
    tcase_add_test(tests, removes_what_was_given_away);
    tcase_add_test(tests, leaves_the_objects_of_others);
    tcase_add_test(tests, says_that_memory_is_still_in_use);
    tcase_add_test(tests, works_through_thousands);
    tcase_add_test(tests, makes_message_queues_impossible);
    tcase_add_test(tests, empties_the_users_keyrings);
    tcase_add_test(tests, keeps_keyrings_open_for_us);
    tcase_add_test(tests, says_that_a_keyring_cannot_be_emptied);
    tcase_add_test(tests, makes_room_for_keys_at_init);
    tcase_add_test(tests, gives_each_job_a_session_keyring_of_its_own);
    tcase_add_loop_test(tests, does_without_what_the_kernel_refuses, 0, 2);
    tcase_add_test(tests, removes_our_files_where_everybody_may_write);
    tcase_add_test(tests, removes_our_files_where_the_folder_is_ours);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    // Always forked, as the tests change the process for good.
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
