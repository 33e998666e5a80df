// SPDX-License-Identifier: Apache-2.0
/// The kernel's keyrings that outlive a process: a user's, and the session's.
///
/// Where the kernel has no keyrings, or a filter keeps us from them, there is nothing to do, and
/// these succeed. They act on the calling thread; a process that it starts, and a thread, begin
/// with its session keyring.
/// Source: keyrings(7), keyctl(2), user-keyring(7), persistent-keyring(7)
#pragma once

#include <stdbool.h>

#include "common/error.h"

/// Leaves the session keyring that we came with, which others may use, for a new and empty one.
/// False where the kernel has no room for one (EDQUOT), as the user's keys take it all.
bool keyrings_leave_session(struct error *err);
/// Empties the session keyring, which has to be one that keyrings_leave_session() made.
void keyrings_clear_session(void);

/// Takes all keys out of our user's keyrings (user, user session, persistent); what only they held
/// is gone a moment later. From the first time on nobody can take their permissions away, so that
/// they cannot be closed to us. False where one cannot be emptied: one that was revoked, until the
/// kernel replaces it, five minutes later.
bool keyrings_clear_user(struct error *err);
