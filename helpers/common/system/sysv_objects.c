// SPDX-License-Identifier: Apache-2.0
#include "common/system/sysv_objects.h"

#include <errno.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "common/array.h"

/// One kind of object. The calls return -1 with errno where they fail.
struct kind {
    const char *name;
    /// The highest index in use; the kernel counts objects by index, callers by id.
    int (*last_index)(void);
    /// The id of what is at the index, and who owns it; -1 where nothing is.
    int (*look)(int index, struct ipc_perm *owner);
    int (*remove)(int id);
};

/// The fourth argument of semctl(), which each program has to define by itself: semctl(2).
union semaphore_argument {
    int value;
    struct semid_ds *status;
    struct seminfo *info;
};

static int last_memory(void) {
    struct shm_info info;
    return shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
}

static int look_at_memory(int index, struct ipc_perm *owner) {
    struct shmid_ds status;
    const int id = shmctl(index, SHM_STAT_ANY, &status);
    if (id >= 0) {
        *owner = status.shm_perm;
    }
    return id;
}

static int remove_memory(int id) {
    return shmctl(id, IPC_RMID, NULL);
}

static int last_queue(void) {
    struct msginfo info;
    return msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info);
}

static int look_at_queue(int index, struct ipc_perm *owner) {
    struct msqid_ds status;
    const int id = msgctl(index, MSG_STAT_ANY, &status);
    if (id >= 0) {
        *owner = status.msg_perm;
    }
    return id;
}

static int remove_queue(int id) {
    return msgctl(id, IPC_RMID, NULL);
}

static int last_semaphores(void) {
    struct seminfo info;
    return semctl(0, 0, SEM_INFO, (union semaphore_argument){.info = &info});
}

static int look_at_semaphores(int index, struct ipc_perm *owner) {
    struct semid_ds status;
    const int id = semctl(index, 0, SEM_STAT_ANY, (union semaphore_argument){.status = &status});
    if (id >= 0) {
        *owner = status.sem_perm;
    }
    return id;
}

static int remove_semaphores(int id) {
    return semctl(id, 0, IPC_RMID);
}

static const struct kind kinds[] = {
    {"shared memory", last_memory, look_at_memory, remove_memory},
    {"message queue", last_queue, look_at_queue, remove_queue},
    {"semaphore set", last_semaphores, look_at_semaphores, remove_semaphores},
};

/// The id of the user's first object of this kind at `*index` or after it; -1: none is left.
static int find(const struct kind *kind, uid_t user, int *index) {
    // Asked each time: an object that is removed may lower it.
    for (; *index <= kind->last_index(); (*index)++) {
        struct ipc_perm owner = {0};
        const int id = kind->look(*index, &owner);
        if (id >= 0 && (owner.uid == user || owner.cuid == user)) {
            return id;
        }
    }
    return -1;
}

static bool remove_all(const struct kind *kind, uid_t user, struct error *err) {
    int index = 0;
    for (int id = find(kind, user, &index); id >= 0; id = find(kind, user, &index)) {
        if (kind->remove(id) != 0 && errno != EIDRM && errno != EINVAL) {
            return error_errno(err, errno, "cannot remove the System V %s %d", kind->name, id);
        }
        index++;
    }
    // Memory that a process still has attached stays until it is detached.
    index = 0;
    const int left = find(kind, user, &index);
    return left < 0 ||
           error_set(err, "in_use", "the System V %s %d is still in use", kind->name, left);
}

bool sysv_objects_remove(uid_t user, struct error *err) {
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (!remove_all(&kinds[i], user, err)) {
            return false;
        }
    }
    return true;
}
