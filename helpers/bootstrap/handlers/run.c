// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/handlers/run.h"

#include <stdlib.h>

#include "bootstrap/confine/ipc.h"
#include "bootstrap/confine/own_limits.h"
#include "bootstrap/credentials/accounts_source.h"
#include "bootstrap/credentials/function_aws.h"
#include "bootstrap/credentials/runner_token.h"
#include "bootstrap/gitlab/gitlab.h"
#include "bootstrap/gitlab/id_token.h"
#include "bootstrap/gitlab/system_id.h"
#include "bootstrap/handlers/metrics.h"
#include "bootstrap/job/result.h"
#include "bootstrap/job/run_job.h"
#include "bootstrap/job/runner.h"
#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/error_types.h"
#include "bootstrap/runtime/sigterm.h"
#include "bootstrap/settings/settings.h"
#include "bootstrap/workspace/mirror.h"
#include "bootstrap/workspace/workspace.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json_syntax.h"
#include "common/log.h"

/// How long to wait for a job after the first one: the next stage's jobs become pending a moment
/// after the last one's end, and waiting is paid for.
static const int64_t FURTHER_JOB_WAIT_MS = INT64_C(3000);

struct run {
    struct settings settings;
    struct gitlab *gitlab;
    struct function_aws *aws;
    struct token_source *token;
    /// NULL where there is none.
    struct mirror *mirror;
    /// NULL without RUNLET_ID_TOKEN_AUDIENCE.
    struct id_token_verifier *verifier;
    /// NULL without RUNLET_ACCOUNTS_PARAMETER.
    struct accounts_source *accounts;
    struct own_limits limits;
    bool served_before;
    int64_t started_ms;
    int64_t ready_ms;
};

// --- Init --------------------------------------------------------------------------------------

static void open_gitlab(struct run *run) {
    const struct settings *settings = &run->settings;
    const struct gitlab_options gitlab = {
        .server_url = settings->server_url,
        .ca_file = settings->ca_file,
        .hosts = settings->extra_hosts,
        .host_count = settings->extra_host_count,
    };
    run->gitlab = gitlab_new(&gitlab);
    if (settings->id_token_audience) {
        const struct id_token_options id_token = {
            .gitlab = run->gitlab,
            .server_url = settings->server_url,
            .audience = settings->id_token_audience,
        };
        run->verifier = id_token_verifier_new(&id_token);
    }
}

static void open_aws(struct run *run) {
    const struct settings *settings = &run->settings;
    const struct function_aws_options aws = {
        .credentials = &settings->credentials,
        .region = settings->region,
    };
    run->aws = function_aws_new(&aws);
    const struct token_place token = {
        .secret_arn = settings->token_secret_arn,
        .parameter = settings->token_parameter,
        .token = settings->token,
        .aws = run->aws,
    };
    run->token = token_source_at(&token);
    const struct accounts_source_options accounts = {
        .aws = run->aws,
        .parameter = settings->accounts_parameter,
        .jobs_have_credentials = settings->job_credentials != JOB_CREDENTIALS_NONE,
    };
    run->accounts = accounts_source_new(&accounts);
    const struct mirror_options mirror = {
        .root = WORKSPACE_ROOT,
        .source = &settings->mirror,
        .aws = run->aws,
        .function_name = settings->function_name,
    };
    run->mirror = mirror_new(&mirror);
}

static bool prepare(struct run *run, struct error *err) {
    if (!settings_load(&run->settings, err)) {
        return false;
    }
    // After a crash or a time-out Lambda may start us again where a job was.
    if (!ipc_prepare(err) || !ipc_clear(BUDGET_INIT_CLEAN_LIMIT_MS, err) ||
        !workspace_empty(WORKSPACE_ROOT, BUDGET_INIT_CLEAN_LIMIT_MS, err)) {
        return false;
    }
    if (run->settings.server_is_plain_and_remote) {
        log_warn("CI_SERVER_URL is plain http: the runner token, job tokens and all of the jobs "
                 "go over the network unprotected");
    }
    open_gitlab(run);
    open_aws(run);
    return own_limits_remember(&run->limits, err) ||
           error_set(err, ERROR_INIT_FAILED, "%s", err->message);
}

bool run_init(void **context, struct error *err) {
    struct run *run = xcalloc(1, sizeof(*run));
    *context = run;
    run->started_ms = clock_monotonic_ms(clock_system());
    bool good = prepare(run, err);
    run->ready_ms = clock_monotonic_ms(clock_system());
    return good;
}

void run_destroy(void *context) {
    struct run *run = context;
    if (run) {
        mirror_destroy(run->mirror);
        id_token_verifier_destroy(run->verifier);
        accounts_source_destroy(run->accounts);
        token_source_destroy(run->token);
        function_aws_destroy(run->aws);
        gitlab_destroy(run->gitlab);
        settings_clean_up(&run->settings);
        free(run);
    }
}

// --- Event ---------------------------------------------------------------------------------------

static bool check_event(const struct invocation *invocation, struct error *err) {
    // Its content is of no interest, and may be megabytes.
    return json_is_object(buffer_slice(&invocation->event), err) ||
           error_set(err, ERROR_EVENT_INVALID, "the event is %s; expected a JSON object",
                     err->message);
}

/// With less than RUNLET_MIN_JOB_TIME before the margin a job would only be cut off.
static bool has_time(const struct run *run, const struct invocation *invocation) {
    const struct settings *settings = &run->settings;
    int64_t left_ms =
        invocation->deadline_ms - settings->deadline_margin_ms - clock_now_ms(clock_system());
    if (left_ms > 0 && left_ms >= settings->min_job_time_ms) {
        return true;
    }
    log_info("too little time is left to ask for a job", log_int("leftMs", left_ms));
    return false;
}

/// With a mirror, it is made ready first: while nothing of a job before is alive. Without the time
/// for a job after that, there is none.
static bool prepare_and_run(const struct run *run, const struct run_job *job, struct result *result,
                            int64_t *runner_ms, struct error *err) {
    if (run->mirror) {
        const int64_t deadline_ms = job->invocation->deadline_ms - run->settings.deadline_margin_ms;
        if (!mirror_prepare(run->mirror, deadline_ms, err)) {
            return false;
        }
        if (!has_time(run, job->invocation)) {
            return true;
        }
    }
    return run_job(job, result, runner_ms, err);
}

/// Whether this process is as it was started: a job has its user, and may change what it may do.
static bool is_unchanged(const struct run *run) {
    struct error err;
    if (own_limits_hold(&run->limits, &err)) {
        return true;
    }
    log_warn("a job changed this process: the environment ends after this invocation",
             LOG_ERROR_FIELDS(&err));
    return false;
}

static bool run_jobs(const struct run *run, struct run_job *job, struct result *result,
                     int64_t *runner_ms, struct error *err) {
    // An environment of its own for each job means one job for each invocation.
    size_t most = run->settings.fresh_environment ? 1 : run->settings.max_jobs;
    while (result->job_count < most && !sigterm_came() && has_time(run, job->invocation) &&
           (result->job_count == 0 || own_limits_hold(&run->limits, err))) {
        size_t before = result->job_count;
        if (!prepare_and_run(run, job, result, runner_ms, err)) {
            // What the jobs before it came to is worth more than why there was no further one.
            bool tellable = before > 0 && !error_is(err, ERROR_WORKSPACE_DIRTY);
            if (tellable) {
                log_error("no further job was run", LOG_ERROR_FIELDS(err));
            }
            return tellable;
        }
        if (result->job_count == before || result->status == RESULT_DEADLINE) {
            return true;
        }
        int64_t wait_ms = run->settings.wait_timeout_ms;
        job->wait_timeout_ms = wait_ms < FURTHER_JOB_WAIT_MS ? wait_ms : FURTHER_JOB_WAIT_MS;
    }
    return true;
}

/// What jobs get that they do not get from GitLab.
static void take_settings(const struct run *run, struct run_job *job) {
    static const char *const sources[] = {
        [JOB_CREDENTIALS_NONE] = NULL,
        [JOB_CREDENTIALS_ROLE] = "EcsContainer",
        [JOB_CREDENTIALS_INHERIT] = "Environment",
    };
    const struct settings *settings = &run->settings;
    const bool role = settings->job_credentials == JOB_CREDENTIALS_ROLE;
    const bool inherit = settings->job_credentials == JOB_CREDENTIALS_INHERIT;
    job->workspace = (struct workspace_options){
        .path = job->runner.search_path,
        .server_port = settings->server_port,
        .hosts = settings->extra_hosts,
        .host_count = settings->extra_host_count,
        .ca_file = settings->ca_file,
    };
    job->runner.server_url = settings->server_url;
    job->runner.name = settings->runner_name;
    job->runner.extra_args = settings->runner_args;
    job->runner.credentials =
        inherit && settings->credentials.access_key ? &settings->credentials : NULL;
    job->session = (struct job_session_options){
        .aws = run->aws,
        .role_arn = role ? settings->job_role_arn : NULL,
        .identity = settings->session_identity,
        .verifier = run->verifier,
    };
    job->profiles = (struct job_profiles){
        .credential_source = sources[settings->job_credentials],
        .region = settings->region,
    };
}

static bool serve_event(struct run *run, const struct invocation *invocation, struct result *result,
                        int64_t *runner_ms, struct error *err) {
    cleanup_free char *search_path = runner_search_path();
    cleanup_free char *program = runner_find(search_path, err);
    if (!program) {
        return false;
    }
    char system_id[SYSTEM_ID_SIZE];
    system_id_derive(slice_text(invocation->function_arn), run->settings.function_name,
                     run->settings.region, system_id);
    struct run_job job = {
        .invocation = invocation,
        .margin_ms = run->settings.deadline_margin_ms,
        .wait_timeout_ms = run->settings.wait_timeout_ms,
        .gitlab = run->gitlab,
        .token = run->token,
        .accounts = run->accounts,
        .system_id = system_id,
        .mirror = run->mirror,
        .limits = &run->limits,
        .runner = {.program = program, .search_path = search_path},
    };
    take_settings(run, &job);
    bool good = run_jobs(run, &job, result, runner_ms, err);
    // Connections do not live through the pause until the next event.
    gitlab_close_idle(run->gitlab);
    function_aws_close_idle(run->aws);
    return good;
}

/// After a failure: whether it can have been our own, such as no descriptors, which would come
/// again.
static bool can_go_on(void) {
    struct error err;
    if (own_process_works(&err)) {
        return true;
    }
    log_warn("this process cannot go on: the environment ends after this invocation",
             LOG_ERROR_FIELDS(&err));
    return false;
}

bool run_handle(void *context, const struct invocation *invocation, struct buffer *response,
                enum handler_verdict *verdict, struct error *err) {
    struct run *run = context;
    if (!check_event(invocation, err)) {
        return false;
    }
    int64_t begin_ms = clock_monotonic_ms(clock_system());
    int64_t runner_ms = 0;
    cleanup_result struct result result = {0};
    bool good = serve_event(run, invocation, &result, &runner_ms, err);
    bool dirty = !good && error_is(err, ERROR_WORKSPACE_DIRTY);
    // Of a run that failed nobody can say that there was no job in it.
    bool used = run->settings.fresh_environment && (result.job_count > 0 || !good);
    const bool sound = is_unchanged(run) && (good || can_go_on());
    *verdict = dirty || used || !sound ? ENVIRONMENT_ENDS : ENVIRONMENT_STAYS;
    const struct metrics metrics = {
        .function_name = run->settings.function_name,
        .status = good ? result_status_word(result.status) : err->code,
        .result = &result,
        .cold_start = !run->served_before,
        .init_ms = run->ready_ms - run->started_ms,
        .invocation_ms = clock_monotonic_ms(clock_system()) - begin_ms,
        .runner_ms = runner_ms,
    };
    metrics_write(&metrics);
    run->served_before = true;
    return good && result_print(&result, run->settings.max_jobs > 1, response, err);
}
