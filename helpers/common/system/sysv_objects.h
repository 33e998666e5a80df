// SPDX-License-Identifier: Apache-2.0
/// System V shared memory, message queues and semaphores: they belong to a user, not to a process,
/// and stay when all processes have ended.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

/// Removes every object that `user` owns or made, whatever its mode; those of others stay. To be
/// called when no process of that user is left that could make or hold one. True also where the
/// kernel has no such objects, or does not let us ask for them. False where one is left, with its
/// kind and id in the message.
/// Source: shmctl(2), msgctl(2), semctl(2): *_INFO, *_STAT_ANY, IPC_RMID
bool sysv_objects_remove(uid_t user, struct error *err);
