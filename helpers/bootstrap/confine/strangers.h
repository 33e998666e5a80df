// SPDX-License-Identifier: Apache-2.0
/// Ends what an earlier life of this environment left: after the runtime died, Lambda may start it
/// again in the same sandbox, beside processes of a job that killed it.
///
/// A stranger is every process of our user but ourselves, our ancestors (what plays Lambda) and
/// external extensions, which Lambda starts before us, from files of layers that nobody can write.
/// A job can run such a file too, and say of itself whatever it likes, but it cannot raise a limit
/// again: all jobs run with a hard limit of 0 bytes for POSIX message queues (see getrlimit(2)), so
/// that nothing with a lower limit than we were started with is an extension; nor has one more
/// seccomp filters than we, which cannot be taken off either. Of the others those are that run a
/// program of a layer (/opt), directly or as a script, and what these started. Where we were
/// started with that limit at 0 ourselves, it tells nothing, and extensions are those programs
/// alone that lie below /opt/extensions: no scripts, as a command line can be forged. What hides
/// its program from us is none either.
#pragma once

#include <stdbool.h>

#include "common/error.h"

/// Kills all strangers, before anything secret is used; from then on, all that we start is known
/// for a job's. To be called once, at init. Fails with the code "Runtime.EnvironmentOccupied" where
/// they do not end in time, and "Runtime.InitFailed" where nobody can say which there are.
///
/// Does nothing where this is plainly not Lambda's sandbox, so that nobody's other programs are
/// ended: not started from one of Lambda's places (/var/task/bootstrap, ...), and in the machine's
/// own PID namespace or as root.
bool strangers_end(struct error *err);
