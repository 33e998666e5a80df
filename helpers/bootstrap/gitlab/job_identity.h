// SPDX-License-Identifier: Apache-2.0
/// Who a job is.
///
/// Only what GitLab itself vouches for counts: `id`, `job_info` and `git_info` of its answer. A
/// job's variables are never looked at: a project, a trigger or a person may set any of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"

/// What is not sent is 0 or NULL, and never guessed.
struct job_identity {
    int64_t job_id;
    int64_t project_id;
    int64_t pipeline_id;
    int64_t user_id;
    char *project_path;
    char *ref;
    /// "branch" or "tag"
    char *ref_type;
    /// git_info.protected is true. An older GitLab that does not say so: false.
    bool protected_ref;
};

/// Reads it from GitLab's answer to a job request into the zeroed `identity`.
void job_identity_read(const struct json *answer, struct job_identity *identity);
void job_identity_clean_up(struct job_identity *identity);
