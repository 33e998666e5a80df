// SPDX-License-Identifier: Apache-2.0
/// What is done when the function's time runs out: the one table of times.
///
/// With D as Lambda's deadline and M as RUNLET_DEADLINE_MARGIN (8 s at least):
///
/// | from      | what happens                                                                |
/// | --------- | --------------------------------------------------------------------------- |
/// | D - M     | no more job requests; the broker holds the runner's final update back;      |
/// |           | SIGTERM to the runner, which aborts the job and reports                     |
/// | D - 5.5 s | SIGKILL to every process that is left (sooner where M is over 35.5 s)       |
/// | D - 4.5 s | at the latest all are gone; the broker ends the trace and the job in GitLab |
/// | D - 3 s   | at the latest it gives up, and its threads end, which takes 1 s at most     |
/// | D - 2 s   | at the latest /tmp is emptied                                               |
/// | D - 0.5 s | at the latest that gives up (then the environment ends); we answer          |
/// | D         | Lambda kills us                                                             |
///
/// Each step begins as soon as the one before it is done: normally all of it takes some 100 ms.
#pragma once

#include <stdint.h>

/// Before the deadline.
static const int64_t BUDGET_KILL_MS = INT64_C(5500);
static const int64_t BUDGET_KILLED_MS = INT64_C(4500);
static const int64_t BUDGET_CLOSED_MS = INT64_C(3000);
static const int64_t BUDGET_CLEAN_MS = INT64_C(500);

/// After SIGTERM to the runner at the deadline: gitlab-runner gives up on its own after 30 s.
static const int64_t BUDGET_GRACE_MS = INT64_C(30000);
/// After a cancel was seen: what after_script and an orderly end may take, then SIGTERM, then
/// SIGKILL. A cancel ends the invocation within 45 s.
static const int64_t BUDGET_CANCEL_MS = INT64_C(30000);
static const int64_t BUDGET_CANCEL_GRACE_MS = INT64_C(4000);
/// How long /tmp may be full without a break, and how long it counts as a reason after that.
static const int64_t BUDGET_FULL_MS = INT64_C(10000);
/// After the job's final state is in GitLab: for the runner to end by itself.
static const int64_t BUDGET_LINGER_MS = INT64_C(20000);
/// The same where GitLab canceled it, without an after_script to wait for.
static const int64_t BUDGET_ABORT_MS = INT64_C(5000);
/// After it is known that no job can come: for the runner to follow SIGTERM.
static const int64_t BUDGET_FAILED_GRACE_MS = INT64_C(1000);

/// Far from the deadline: killing what a job left, telling GitLab of a job that the runner did not
/// end, and emptying /tmp may not take longer than this.
static const int64_t BUDGET_KILL_LIMIT_MS = INT64_C(15000);
static const int64_t BUDGET_CLOSE_LIMIT_MS = INT64_C(120000);
static const int64_t BUDGET_CLEAN_LIMIT_MS = INT64_C(120000);
/// At init, of Lambda's ten seconds: for what an earlier life left to be gone, and to empty /tmp.
static const int64_t BUDGET_STRANGERS_GENTLY_MS = INT64_C(500);
static const int64_t BUDGET_STRANGERS_LIMIT_MS = INT64_C(2000);
static const int64_t BUDGET_INIT_CLEAN_LIMIT_MS = INT64_C(7000);
/// After SIGTERM to ourselves, which Lambda sends half a second before it kills.
static const int64_t BUDGET_LAST_WORDS_MS = INT64_C(350);
