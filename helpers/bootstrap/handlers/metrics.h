// SPDX-License-Identifier: Apache-2.0
/// The metrics of `run`, in CloudWatch's Embedded Metric Format: one line for each invocation.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/job/result.h"

struct metrics {
    /// The dimension FunctionName; NULL: "unknown".
    const char *function_name;
    /// The dimension Status: result_status_word(), or an error's type.
    const char *status;
    const struct result *result;
    /// The environment's first event.
    bool cold_start;
    /// From the process's start to its first event asked for; only where `cold_start`.
    int64_t init_ms;
    /// From the event to its answer, and what gitlab-runner had of it.
    int64_t invocation_ms;
    int64_t runner_ms;
};

/// Writes JobDuration, JobQueuedTime, Jobs, ColdStarts, InitDuration and BootstrapOverhead under
/// the namespace "Runlet". The times of several jobs are added up.
void metrics_write(const struct metrics *metrics);
