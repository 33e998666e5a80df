// SPDX-License-Identifier: Apache-2.0
/// One job from an empty /tmp to an empty /tmp: workspace, broker, runner, and the end of all
/// three.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/confine/own_limits.h"
#include "bootstrap/credentials/accounts_source.h"
#include "bootstrap/credentials/job_profiles.h"
#include "bootstrap/credentials/job_session.h"
#include "bootstrap/credentials/runner_token.h"
#include "bootstrap/gitlab/gitlab.h"
#include "bootstrap/job/result.h"
#include "bootstrap/job/runner.h"
#include "bootstrap/runtime/runtime_api.h"
#include "bootstrap/workspace/mirror.h"
#include "bootstrap/workspace/workspace.h"

/// What is the same for all jobs of an invocation; borrowed.
struct run_job {
    const struct invocation *invocation;
    /// RUNLET_DEADLINE_MARGIN.
    int64_t margin_ms;
    /// How long to wait for this job.
    int64_t wait_timeout_ms;
    struct gitlab *gitlab;
    struct token_source *token;
    /// NULL: jobs get no profiles.
    struct accounts_source *accounts;
    const char *system_id;
    /// Made ready for this job; NULL: none.
    struct mirror *mirror;
    /// What this process was started with.
    struct own_limits *limits;
    /// As far as they do not depend on the job: the rest of each is filled in for it.
    struct workspace_options workspace;
    struct runner_options runner;
    /// Without a role_arn jobs get no session.
    struct job_session_options session;
    struct job_profiles profiles;
};

/// Waits for a job and runs it. True where that went as it should: the job is added to `result`
/// with what became of it (failed and canceled ones too), or there was none. False with an error
/// type of Lambda's form.
///
/// When it returns, no process is left that the job started and /tmp is empty but for the mirror;
/// else it fails with "Runtime.WorkspaceDirty", and the environment is to end.
///
/// Adds the time that gitlab-runner ran to `*runner_ms`.
bool run_job(const struct run_job *options, struct result *result, int64_t *runner_ms,
             struct error *err);
