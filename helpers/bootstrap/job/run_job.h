// SPDX-License-Identifier: Apache-2.0
/// One job from an empty /tmp to an empty /tmp: workspace, broker, runner, and the end of all
/// three.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/accounts_source.h"
#include "bootstrap/credentials/runner_token.h"
#include "bootstrap/gitlab/gitlab.h"
#include "bootstrap/gitlab/id_token.h"
#include "bootstrap/job/result.h"
#include "bootstrap/runtime/runtime_api.h"
#include "bootstrap/settings/settings.h"
#include "bootstrap/workspace/mirror.h"

/// What is the same for all jobs of an invocation; borrowed.
struct run_one {
    const struct settings *settings;
    const struct invocation *invocation;
    struct gitlab *gitlab;
    struct token_source *token;
    /// NULL: id_tokens are not looked at.
    struct id_token_verifier *verifier;
    /// NULL: jobs get no profiles.
    struct accounts_source *accounts;
    const char *system_id;
    /// Made ready for this job; NULL: none.
    struct mirror *mirror;
    /// From runner_find() and runner_search_path().
    const char *program;
    const char *search_path;
    /// How long to wait for this job.
    int64_t wait_timeout_ms;
};

/// Waits for a job and runs it. True where that went as it should: the job is added to `result`
/// with what became of it (failed and canceled ones too), or there was none. False with an error
/// type of Lambda's form.
///
/// When it returns, no process is left that the job started and /tmp is empty but for the mirror;
/// else it fails with "Runtime.WorkspaceDirty", and the environment is to end.
///
/// Adds the time that gitlab-runner ran to `*runner_ms`.
bool run_one(const struct run_one *options, struct result *result, int64_t *runner_ms,
             struct error *err);
