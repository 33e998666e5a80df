// SPDX-License-Identifier: Apache-2.0
//
// What a job can leave without a process, in places that belong to a user:
//
//   leavings leave    makes one of each kind, a line `left KIND` for each that could be made
//   leavings look     a line `found KIND` for each that is there

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { KEY = 0x1eaf };
static const char DEFAULT_ACL[] = "system.posix_acl_default";

// Every object once as programs make it, and once closed to its own user.

static bool leave_memory(void) {
    return shmget(KEY, 1 << 20, IPC_CREAT | 0600) >= 0 && shmget(KEY + 1, 4096, IPC_CREAT) >= 0;
}

static bool find_memory(void) {
    return shmget(KEY, 0, 0) >= 0 || shmget(KEY + 1, 0, 0) >= 0;
}

static bool leave_messages(void) {
    struct {
        long type;
        char text[8];
    } message = {1, "a text"};
    int id = msgget(KEY, IPC_CREAT | 0600);
    return id >= 0 && msgsnd(id, &message, sizeof message.text, IPC_NOWAIT) == 0 &&
           msgget(KEY + 1, IPC_CREAT) >= 0;
}

static bool find_messages(void) {
    return msgget(KEY, 0) >= 0 || msgget(KEY + 1, 0) >= 0;
}

static bool leave_semaphores(void) {
    return semget(KEY, 5, IPC_CREAT | 0600) >= 0 && semget(KEY + 1, 5, IPC_CREAT) >= 0;
}

static bool find_semaphores(void) {
    return semget(KEY, 0, 0) >= 0 || semget(KEY + 1, 0, 0) >= 0;
}

static bool leave_queue(void) {
    return mq_open("/leavings", O_CREAT | O_RDWR, 0600, NULL) != (mqd_t)-1;
}

static bool find_queue(void) {
    return mq_open("/leavings", O_RDONLY) != (mqd_t)-1;
}

static bool add_key(long keyring) {
    return syscall(SYS_add_key, "user", "leavings", "a text", 6UL, keyring) > 0;
}

static bool has_key(long keyring) {
    return syscall(SYS_keyctl, KEYCTL_SEARCH, keyring, "user", "leavings", 0) > 0;
}

static bool leave_user_key(void) {
    return add_key(KEY_SPEC_USER_KEYRING);
}

static bool find_user_key(void) {
    return has_key(KEY_SPEC_USER_KEYRING);
}

static bool leave_user_session_key(void) {
    return add_key(KEY_SPEC_USER_SESSION_KEYRING);
}

static bool find_user_session_key(void) {
    return has_key(KEY_SPEC_USER_SESSION_KEYRING);
}

static bool leave_session_key(void) {
    return add_key(KEY_SPEC_SESSION_KEYRING);
}

static bool find_session_key(void) {
    return has_key(KEY_SPEC_SESSION_KEYRING);
}

static bool leave_attribute(void) {
    return setxattr("/tmp", "user.leavings", "a text", 6, 0) == 0;
}

static bool find_attribute(void) {
    return getxattr("/tmp", "user.leavings", NULL, 0) >= 0;
}

static bool leave_acl(void) {
    // Version 2; then tag, permissions and id of the owner, uid 12345, the group, the mask, others.
    static const unsigned char acl[] = {
        2,    0, 0, 0,                         // all numbers are little-endian
        1,    0, 7, 0, 0xff, 0xff, 0xff, 0xff, //
        2,    0, 7, 0, 0x39, 0x30, 0,    0,    //
        4,    0, 7, 0, 0xff, 0xff, 0xff, 0xff, //
        0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, //
        0x20, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
    };
    return setxattr("/tmp", DEFAULT_ACL, acl, sizeof acl, 0) == 0;
}

static bool find_acl(void) {
    return getxattr("/tmp", DEFAULT_ACL, NULL, 0) >= 0;
}

static bool leave_flag(void) {
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return false;
    flags |= FS_NODUMP_FL | FS_NOATIME_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static bool find_flag(void) {
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    int flags = 0;
    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_NODUMP_FL | FS_NOATIME_FL)) != 0;
}

static bool leave_mode(void) {
    return chmod("/tmp", 03775) == 0;
}

static bool find_mode(void) {
    struct stat status;
    return stat("/tmp", &status) == 0 && (status.st_mode & 07777) == 03775;
}

static const struct {
    const char *name;
    bool (*leave)(void);
    bool (*find)(void);
} kinds[] = {
    {"shared-memory", leave_memory, find_memory},
    {"messages", leave_messages, find_messages},
    {"semaphores", leave_semaphores, find_semaphores},
    {"queue", leave_queue, find_queue},
    {"user-key", leave_user_key, find_user_key},
    {"user-session-key", leave_user_session_key, find_user_session_key},
    {"session-key", leave_session_key, find_session_key},
    {"attribute", leave_attribute, find_attribute},
    {"acl", leave_acl, find_acl},
    {"flag", leave_flag, find_flag},
    {"mode", leave_mode, find_mode},
};

int main(int argc, char **argv) {
    bool leave = argc == 2 && strcmp(argv[1], "leave") == 0;
    if (!leave && (argc != 2 || strcmp(argv[1], "look") != 0))
        return 2;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (leave ? kinds[i].leave() : kinds[i].find())
            printf("%s %s\n", leave ? "left" : "found", kinds[i].name);
    return 0;
}
