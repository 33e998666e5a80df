// SPDX-License-Identifier: Apache-2.0
/// One gitlab-runner process: `gitlab-runner run-single` for one job, pointed at the broker.
///
/// Nothing it is given is worth stealing: its environment is built from an allow-list, its URL is
/// the broker's, its token a placeholder that only this invocation's broker takes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/job_profiles.h"
#include "bootstrap/workspace/workspace.h"
#include "common/aws/credentials.h"
#include "common/error.h"
#include "common/system/process.h"

/// The PATH for the runner and its jobs: ours, with /opt/libexec/runlet, where the gitlab-runner
/// layer puts the jobs' bash, before it, and /opt/bin, where layers put their programs, at its end;
/// each if it is not in it. To be released with free().
char *runner_search_path(void) __attribute__((returns_nonnull));
/// Where gitlab-runner is; NULL, with the code "Function.RunnerMissing", where it is not. To be
/// released with free().
char *runner_find(const char *search_path, struct error *err);

struct runner_options {
    /// From runner_find().
    const char *program;
    /// From runner_search_path().
    const char *search_path;
    const struct workspace *workspace;
    /// CI_SERVER_URL: where jobs clone from.
    const char *server_url;
    uint16_t broker_port;
    const char *placeholder_token;
    /// As GitLab is to show it.
    const char *name;
    int64_t wait_timeout_ms;
    /// RUNLET_RUNNER_ARGS, ended by NULL.
    char *const *extra_args;
    /// Where on the broker's port a job gets its session, and what it shows there; empty: there is
    /// nothing there.
    const char *credentials_path;
    struct slice credentials_token;
    /// What the job script gets in its environment; NULL: nothing.
    const struct aws_credentials *credentials;
    /// The job's AWS profiles; NULL: none.
    const struct job_profiles *profiles;
    /// For _X_AMZN_TRACE_ID; NULL: none.
    const char *trace_id;
};

/// Appends the whole command line as an array ended by NULL, to be released with
/// runner_argv_destroy().
char **runner_argv(const struct runner_options *options) __attribute__((returns_nonnull));
void runner_argv_destroy(char **argv);
/// The whole environment.
void runner_environment(const struct runner_options *options, struct environment *environment);

struct runner;
#define cleanup_runner __attribute__((cleanup(runner_destroyp)))

/// Starts it. NULL on failure, with the code "Function.RunnerCrashed".
struct runner *runner_start(const struct runner_options *options, struct error *err);
/// Forgets about it, after its end; logs what is left of its output.
void runner_destroyp(struct runner **runner);

/// Waits for its end, at most so long, and hands on to our log what it writes meanwhile. True once
/// it has ended. May return false before the time is over.
bool runner_wait(struct runner *runner, int64_t timeout_ms, struct process_exit *end);
/// Sends SIGTERM to the runner alone, which then aborts its job and reports.
void runner_terminate(struct runner *runner);
