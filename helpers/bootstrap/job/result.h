// SPDX-License-Identifier: Apache-2.0
/// What an invocation of `run` came to: the JSON of its response, and its metrics.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"

enum result_status {
    RESULT_NO_JOB,
    RESULT_JOB_SUCCEEDED,
    RESULT_JOB_FAILED,
    RESULT_JOB_CANCELED,
    /// The function's time ran out before the job's end.
    RESULT_DEADLINE,
};

/// The word of the JSON: "no_job", ...
const char *result_status_word(enum result_status status);

/// One job, as far as the result tells of it.
struct result_job {
    int64_t id;
    int64_t project_id;
    /// Owned.
    char *name;
    /// "success", "failed", "canceled"
    const char *state;
    /// NULL where there is none; owned.
    char *failure_reason;
    bool has_exit_code;
    int64_t exit_code;
    int64_t queued_ms;
    int64_t duration_ms;
};

/// Zeroed is "no job"; result_clean_up() releases it.
struct result {
    /// The last job's.
    enum result_status status;
    struct result_job *jobs;
    size_t job_count;
};
#define cleanup_result __attribute__((cleanup(result_clean_up)))

/// Adds a job, whose texts the result owns from then on, and what became of it.
void result_add(struct result *result, const struct result_job *job, enum result_status status);
void result_clean_up(struct result *result);

/// Appends the response: {"status", "job"}, and where `with_jobs` the array "jobs" of all.
bool result_print(const struct result *result, bool with_jobs, struct buffer *out,
                  struct error *err);
