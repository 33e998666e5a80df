// SPDX-License-Identifier: Apache-2.0
/// Keeps a job's hands off us where the kernel would let one process of a user at another of the
/// same: signals, limits, priorities, scheduling, affinity, I/O class, aimed at this process or any
/// of its threads, alone or with all others (kill(-1), whole users, our process group).
///
/// A seccomp filter (seccomp(2)) on gitlab-runner, which all that it starts inherits and nobody can
/// take off. It asks for no privilege but no_new_privs, so that set-user-id programs have no effect
/// in jobs. What is plainly for us is refused with EPERM by the filter alone. An id that may be one
/// of our threads, which come and go, is asked about (seccomp_unotify(2)): a thread of ours looks
/// whether it is one, and refuses, or lets the kernel go on. Only registers are looked at, never
/// memory, so that nothing can be changed between the look and the call. Between them an id would
/// have to end, come round and become ours.
///
/// Not there for jobs: pidfd_send_signal (ENOSYS, as before Linux 5.1: programs use kill), owners
/// of descriptors by pointer (F_SETOWN_EX, FIOSETOWN, SIOCSPGRP: EPERM), a seccomp listener of
/// their own (EBUSY), and programs of another architecture, as 32 bit ones (ENOSYS).
#pragma once

#include <stdbool.h>

#include "common/error.h"

/// For one process that is started, and all that come of it.
struct filter;
#define cleanup_filter __attribute__((cleanup(filter_destroyp)))

/// Makes one for a process to be started from this one, and a thread that answers, so that no
/// process is ever held by a question that nobody hears. NULL, with an error, where that cannot be
/// had.
struct filter *filter_new(struct error *err);
/// Of process_options: puts the filter on the new process; async-signal-safe. `context` is the
/// filter.
void filter_install(void *context);
/// After the start: whether the filter is there. False, with an error, where the kernel does not
/// allow it.
bool filter_begin(struct filter *filter, struct error *err);

/// When the processes have ended. What is left of them cannot make such calls any more (ENOSYS).
void filter_destroy(struct filter *filter);
void filter_destroyp(struct filter **filter);
