// SPDX-License-Identifier: Apache-2.0
/// Watches over one gitlab-runner until it has ended or has to: the times are those of budget.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/broker/broker.h"
#include "bootstrap/job/runner.h"
#include "bootstrap/workspace/space.h"
#include "bootstrap/workspace/workspace.h"
#include "common/clock.h"
#include "common/system/process.h"

/// Why the runner was stopped.
enum stop_reason {
    /// It was not: it ended by itself.
    STOP_NOT,
    /// The margin before Lambda's deadline began.
    STOP_DEADLINE,
    /// The job was canceled in GitLab and the runner did not end it soon enough.
    STOP_CANCELED,
    /// The job is over, but the runner did not end.
    STOP_LINGERING,
    /// No job can come: GitLab does not take the token, or cannot be reached.
    STOP_FAILED,
    /// /tmp stayed full.
    STOP_FULL,
    /// Lambda ends the environment.
    STOP_SIGTERM,
};

/// A full /tmp is the script's doing, and full again when the job is run again.
static const char SUPERVISE_FULL_REASON[] = "script_failure";

struct supervision {
    struct clock *clock;
    struct runner *runner;
    struct broker *broker;
    const struct workspace *workspace;
    /// The most bytes of a trace that the runner keeps.
    int64_t trace_bytes;
    /// Lambda's, and when the margin before it begins.
    int64_t deadline_ms;
    int64_t margin_begins_ms;
    /// The last line of the trace of a job that the deadline ends.
    const char *deadline_line;
    /// The failure reason in GitLab then.
    const char *deadline_reason;
};

struct supervision_result {
    enum stop_reason reason;
    /// False: it runs still, and is to be killed.
    bool ended;
    /// How, if it has ended.
    struct process_exit end;
    /// What was seen of /tmp.
    struct space space;
};

/// Returns when the runner has ended, or when the time for it is over. At the deadline the broker
/// is told first, so that the trace says why before the runner reports the end; the same where /tmp
/// was full a moment before the job ended by itself.
struct supervision_result supervise(const struct supervision *supervision);
