// SPDX-License-Identifier: Apache-2.0
/// What the kernel keeps for a user when all processes have ended: System V shared memory, message
/// queues and semaphores, POSIX shared memory and queues, keyrings; and files where another image
/// than Lambda's lets everybody write.
///
/// A job may use all of it but POSIX message queues (PostgreSQL needs System V memory), and has our
/// user: nothing of it may reach the next job, or keep memory that is its. All of our user's goes,
/// also what an external extension made.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

/// Makes POSIX message queues impossible for us and all that we start, for good: a part of
/// ipc_prepare(). Fails with the code "Runtime.InitFailed".
bool ipc_forbid_queues(struct error *err);

/// To be called once, at init, before other threads are: leaves the session keyring that Lambda's
/// own processes have, and makes POSIX message queues impossible for us and all that we start, as
/// nobody can list them without a mount. Fails with the codes "Runtime.InitFailed" and
/// "Runtime.WorkspaceDirty".
bool ipc_prepare(struct error *err);

/// Removes all of it, at init, after each job and before the next, when no process of a job is
/// left; each job begins with a session keyring of its own. Fails with the code
/// "Runtime.WorkspaceDirty" where something cannot be removed, or not within `limit_ms`.
///
/// Nothing where we are root, as on somebody's machine: root's folders and objects are everybody's,
/// and Lambda never runs us so.
bool ipc_clear(int64_t limit_ms, struct error *err);

/// Removes what our user has in the folder, and what hangs on the folder where it is ours; what
/// others have there stays. True also where there is no such folder, or a link. For ipc_clear() and
/// its tests.
bool ipc_clear_folder(const char *folder, int64_t limit_ms, struct error *err);
