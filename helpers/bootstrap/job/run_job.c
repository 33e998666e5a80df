// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/run_job.h"

#include "bootstrap/confine/ipc.h"
#include "bootstrap/job/ending.h"
#include "bootstrap/runtime/budget.h"
#include "bootstrap/settings/runner_args.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"

/// The job under way.
struct job_run {
    const struct run_job *options;
    /// NULL where jobs get no session of a role.
    struct job_session *session;
    /// Without accounts: there are none.
    struct job_profiles profiles;
    struct ending ending;
};

/// Removes what a job may have left: in the kernel, and in /tmp all but a mirror that is checked
/// before the next job.
static bool clean(const struct job_run *run, int64_t before_deadline_ms, struct error *err) {
    const int64_t limit_ms =
        ending_time_for(&run->ending, before_deadline_ms, BUDGET_CLEAN_LIMIT_MS);
    if (!ipc_clear(limit_ms, err)) {
        return false;
    }
    return mirror_is_kept(run->options->mirror)
               ? workspace_empty_but_providers(WORKSPACE_ROOT, limit_ms, err)
               : workspace_empty(WORKSPACE_ROOT, limit_ms, err);
}

static struct workspace *make_workspace(const struct run_job *options, struct error *err) {
    struct workspace_options workspace = options->workspace;
    workspace.root = WORKSPACE_ROOT;
    workspace.providers = mirror_folder(options->mirror);
    workspace.providers_kept = mirror_is_kept(options->mirror);
    return workspace_new(&workspace, err);
}

static struct runner *start_runner(const struct job_run *run, const struct workspace *workspace,
                                   struct error *err) {
    struct runner_options runner = run->options->runner;
    runner.workspace = workspace;
    runner.broker_port = broker_port(run->ending.broker);
    runner.placeholder_token = broker_placeholder(run->ending.broker);
    runner.wait_timeout_ms = run->options->wait_timeout_ms;
    runner.credentials_path = BROKER_CREDENTIALS_PATH;
    runner.credentials_token =
        run->session ? broker_credentials_token(run->ending.broker) : SLICE("");
    runner.profiles = run->profiles.accounts ? &run->profiles : NULL;
    runner.trace_id = run->options->invocation->trace_id;
    return runner_start(&runner, err);
}

static void watch_over(struct job_run *run, struct runner *runner,
                       const struct workspace *workspace) {
    const struct supervision supervision = {
        .clock = run->ending.clock,
        .runner = runner,
        .broker = run->ending.broker,
        .workspace = workspace,
        .trace_bytes = runner_args_output_limit(run->options->runner.extra_args),
        .deadline_ms = run->ending.deadline_ms,
        .margin_begins_ms = run->ending.margin_begins_ms,
        .deadline_line = ENDING_DEADLINE_LINE,
        .deadline_reason = ENDING_DEADLINE_REASON,
    };
    run->ending.supervision = supervise(&supervision);
}

/// NULL where jobs get no session.
static struct job_session *make_session(const struct job_run *run) {
    struct job_session_options session = run->options->session;
    session.deadline_ms = run->ending.deadline_ms;
    return session.role_arn ? job_session_new(&session) : NULL;
}

/// Before a job is asked for: what is wrong with the accounts shall not cost one.
static bool prepare_profiles(struct job_run *run, const char *folder, struct error *err) {
    run->profiles = run->options->profiles;
    run->profiles.folder = folder;
    run->profiles.clock = run->ending.clock;
    run->profiles.deadline_ms = run->ending.deadline_ms;
    if (run->options->accounts) {
        run->profiles.accounts = accounts_source_get(run->options->accounts, err);
    }
    return !run->options->accounts || run->profiles.accounts;
}

/// A job without its profiles goes on: it may need none, and says which it misses otherwise.
static void write_profiles(void *context, const struct job *job) {
    const struct job_run *run = context;
    struct error err;
    if (run->profiles.accounts && !job_profiles_write(&run->profiles, job, &err)) {
        log_error("the job gets no AWS profiles", log_int("job", job->identity.job_id),
                  LOG_ERROR_FIELDS(&err));
    }
}

/// From a made workspace to the end of all processes and of the job in GitLab.
static bool with_workspace(struct job_run *run, const struct workspace *workspace,
                           struct result *result, int64_t *runner_ms, struct error *err) {
    cleanup_free char *aws_folder = xasprintf("%s/aws", workspace_folder(workspace));
    if (!prepare_profiles(run, aws_folder, err)) {
        return false;
    }
    cleanup_job_session struct job_session *session = make_session(run);
    run->session = session;
    const struct broker_options broker = {
        .gitlab = run->options->gitlab,
        .token = run->options->token,
        .session = run->session,
        .arrived = write_profiles,
        .arrived_context = run,
        .system_id = run->options->system_id,
        .wait_timeout_ms = run->options->wait_timeout_ms,
        .margin_begins_ms = run->ending.margin_begins_ms,
    };
    cleanup_broker struct broker *started = broker_start(&broker, err);
    run->ending.broker = started;
    if (!started) {
        return false;
    }
    cleanup_runner struct runner *runner = start_runner(run, workspace, err);
    if (!runner) {
        return false;
    }
    int64_t begin_ms = clock_monotonic_ms(run->ending.clock);
    watch_over(run, runner, workspace);
    struct error kill_error;
    own_limits_restore(run->options->limits);
    bool killed = ending_kill_processes(&run->ending, &kill_error);
    own_limits_restore(run->options->limits);
    *runner_ms += clock_monotonic_ms(run->ending.clock) - begin_ms;
    bool good = ending_close(&run->ending, result, err);
    if (!killed) {
        *err = kill_error;
    }
    return good && killed;
}

bool run_job(const struct run_job *options, struct result *result, int64_t *runner_ms,
             struct error *err) {
    struct job_run run = {
        .options = options,
        .ending =
            {
                .clock = clock_system(),
                .deadline_ms = options->invocation->deadline_ms,
                .margin_begins_ms = options->invocation->deadline_ms - options->margin_ms,
            },
    };
    if (!clean(&run, BUDGET_CLOSED_MS, err)) {
        return false;
    }
    cleanup_workspace struct workspace *workspace = make_workspace(options, err);
    if (!workspace) {
        return false;
    }
    bool good = with_workspace(&run, workspace, result, runner_ms, err);
    if (!good) {
        log_error("the job's run failed", LOG_ERROR_FIELDS(err));
    }
    mirror_look_after(options->mirror);
    struct error dirty;
    if (!clean(&run, BUDGET_CLEAN_MS, &dirty)) {
        *err = dirty;
        return false;
    }
    return good;
}
