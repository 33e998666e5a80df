// SPDX-License-Identifier: Apache-2.0
/// The end of a job: its processes, its state in GitLab, and what came of it.
///
/// Whatever ended the runner, no process of the job is left after it and no job without a final
/// state in GitLab, within the times of budget.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/broker/broker.h"
#include "bootstrap/job/result.h"
#include "bootstrap/job/supervise.h"
#include "common/clock.h"
#include "common/error.h"

/// The last line of the trace of a job that the deadline ends.
extern const char ENDING_DEADLINE_LINE[];
/// The failure reason that goes with it.
extern const char ENDING_DEADLINE_REASON[];

/// What has to be known of the job; all borrowed.
struct ending {
    struct clock *clock;
    struct broker *broker;
    /// Lambda's, and when the margin before it begins.
    int64_t deadline_ms;
    int64_t margin_begins_ms;
    /// How the runner ended.
    struct supervision_result supervision;
};

/// How long a step of the end may take: until `before_deadline_ms` before the deadline, at most
/// `limit_ms`, and never less than a moment.
int64_t ending_time_for(const struct ending *ending, int64_t before_deadline_ms, int64_t limit_ms);

/// Kills and reaps all descendants. Fails with "Runtime.WorkspaceDirty".
bool ending_kill_processes(const struct ending *ending, struct error *err);

/// Waits for a job request that is still with GitLab, brings the job to an end where the runner did
/// not, and adds it to `result`. Fails with "Function.GitLabUnreachable" where the job is left
/// without a final state; without a job, with what kept it away.
bool ending_close(const struct ending *ending, struct result *result, struct error *err);
