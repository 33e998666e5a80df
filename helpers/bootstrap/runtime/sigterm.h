// SPDX-License-Identifier: Apache-2.0
/// SIGTERM, as something to wait for.
///
/// Lambda sends it shortly before it kills the environment (see runtime_extension_start()). One
/// that a process of our own user sends, as a job may, is not Lambda's: sigaction(2), si_code,
/// si_pid, si_uid.
#pragma once

#include <stdbool.h>

#include "common/error.h"

/// Catches SIGTERM from now on. SIGPIPE is ignored from now on too. Children start with both at
/// their defaults (process_spawn).
bool sigterm_catch(struct error *err);
/// Readable, and stays so, once SIGTERM has come; for poll, never to be read from or closed.
int sigterm_fd(void);
/// Tells whether it has come. Logs the first that was ignored, so it is not for
/// signal handlers.
bool sigterm_came(void);
