// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/run_job.h"

#include <poll.h>
#include <signal.h>

#include "bootstrap/broker/broker.h"
#include "bootstrap/job/supervise.h"
#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/error_types.h"
#include "bootstrap/runtime/sigterm.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/process.h"

#define DEADLINE_LINE                                                                              \
    "Runlet: the function's time ran out, so the job was stopped. Set the runner's "               \
    "maximum_timeout below the function's timeout, or send jobs that take longer to another "      \
    "runner."

/// The job under way and its ending.
struct one {
    const struct run_one *options;
    struct clock *clock;
    struct broker *broker;
    /// NULL where jobs get no session of a role.
    struct job_session *session;
    /// Without accounts: there are none.
    struct job_profiles profiles;
    int64_t deadline_ms;
    int64_t margin_begins_ms;
    struct supervision_result supervision;
};

/// How long a step of the end may take: until `before_deadline_ms` before the deadline, at most
/// `limit_ms`, and never less than a moment.
static int64_t time_for(const struct one *one, int64_t before_deadline_ms, int64_t limit_ms) {
    int64_t left_ms = one->deadline_ms - before_deadline_ms - clock_now_ms(one->clock);
    if (sigterm_came()) {
        limit_ms = BUDGET_LAST_WORDS_MS;
    }
    if (left_ms > limit_ms) {
        return limit_ms;
    }
    return left_ms > 50 ? left_ms : 50;
}

// --- Why the runner is gone ----------------------------------------------------------------------

static const char *signal_word(int number) {
    static const char *const words[] = {
        [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT", [SIGILL] = "SIGILL",
        [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT", [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",
        [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
        [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
    };
    bool known = number > 0 && (size_t)number < ARRAY_LENGTH(words) && words[number];
    return known ? words[number] : "another signal";
}

/// What happened, for people; to be released with free().
static char *describe_end(const struct supervision_result *supervision) {
    if (!supervision->ended) {
        return xstrdup("gitlab-runner did not end and was stopped");
    }
    if (supervision->end.signal != 0) {
        return xasprintf("gitlab-runner was killed by signal %d (%s)", supervision->end.signal,
                         signal_word(supervision->end.signal));
    }
    return xasprintf("gitlab-runner ended with status %d", supervision->end.code);
}

/// The line for the trace of a job that the runner did not bring to its end.
static char *closing_line(const struct supervision_result *supervision) {
    cleanup_free char *end = describe_end(supervision);
    switch (supervision->reason) {
    case STOP_DEADLINE:
        return xstrdup(DEADLINE_LINE);
    case STOP_CANCELED:
        return xstrdup("Runlet: the job was canceled but did not end in time, so it was stopped.");
    case STOP_SIGTERM:
        return xstrdup("Runlet: Lambda ended the environment that the job ran in.");
    case STOP_NOT:
    case STOP_LINGERING:
    case STOP_FAILED:
        break;
    }
    const char *hint = supervision->end.signal == SIGKILL
                           ? ", by the job itself or because the function's memory was used up"
                           : "";
    return xasprintf("Runlet: %s%s, before it reported the job's end.", end, hint);
}

// --- The end of a job --------------------------------------------------------------------------

static bool kill_processes(const struct one *one, struct error *err) {
    if (process_kill_descendants(time_for(one, BUDGET_KILLED_MS, BUDGET_KILL_LIMIT_MS), err)) {
        return true;
    }
    return error_set(err, ERROR_WORKSPACE_DIRTY, "cannot end the job's processes: %s",
                     err->message);
}

/// A request that is with GitLab may bring a job that nobody is left to run: it has to be failed.
static void await_request(const struct one *one, struct broker_status *status) {
    while (!broker_stop_asking(one->broker)) {
        if (sigterm_came() || clock_now_ms(one->clock) >= one->margin_begins_ms) {
            broker_drop_request(one->broker);
            break;
        }
        struct pollfd event = {.fd = broker_event_fd(one->broker), .events = POLLIN};
        poll(&event, 1, 100);
        broker_snapshot(one->broker, status);
    }
    broker_snapshot(one->broker, status);
}

/// Brings the job to an end in GitLab where the runner did not.
static bool close_job(const struct one *one, struct broker_status *status, struct error *err) {
    if (!status->job_arrived || status->finished) {
        return true;
    }
    cleanup_free char *line = closing_line(&one->supervision);
    log_warn("the runner left the job without a final state", log_int("job", status->job.id),
             log_text("reason", line));
    int64_t until_ms =
        clock_now_ms(one->clock) + time_for(one, BUDGET_CLOSED_MS, BUDGET_CLOSE_LIMIT_MS);
    bool closed = broker_close_job(one->broker, line, "runner_system_failure", until_ms, err);
    broker_snapshot(one->broker, status);
    return closed || error_set(err, ERROR_GITLAB_UNREACHABLE,
                               "job %lld is left without a final state in GitLab: %s",
                               (long long)status->job.id, err->message);
}

// --- What came of it ---------------------------------------------------------------------------

static enum result_status judge_job(const struct one *one, const struct broker_status *status) {
    const char *state = status->job.state;
    if (strcmp(state, "success") == 0) {
        return RESULT_JOB_SUCCEEDED;
    }
    if (strcmp(state, "canceled") == 0 || status->canceled_since_ms > 0) {
        return RESULT_JOB_CANCELED;
    }
    return one->supervision.reason == STOP_DEADLINE ? RESULT_DEADLINE : RESULT_JOB_FAILED;
}

static void add_job(const struct one *one, const struct broker_status *status,
                    struct result *result) {
    static const char *const states[] = {
        [RESULT_NO_JOB] = "failed",     [RESULT_JOB_SUCCEEDED] = "success",
        [RESULT_JOB_FAILED] = "failed", [RESULT_JOB_CANCELED] = "canceled",
        [RESULT_DEADLINE] = "failed",
    };
    const struct broker_job *job = &status->job;
    enum result_status came_of_it = judge_job(one, status);
    struct result_job added = {
        .id = job->id,
        .project_id = job->project_id,
        .name = xstrdup(job->name ? job->name : ""),
        .state = states[came_of_it],
        .failure_reason = job->failure_reason ? xstrdup(job->failure_reason) : NULL,
        .has_exit_code = job->has_exit_code,
        .exit_code = job->exit_code,
        .queued_ms = job->queued_ms,
        .duration_ms = job->duration_ms,
    };
    log_info("the job is over", log_int("job", added.id), log_int("project", added.project_id),
             log_text("name", added.name), log_text("status", result_status_word(came_of_it)),
             log_int("durationMs", added.duration_ms));
    result_add(result, &added, came_of_it);
}

/// Without a job: was that as it should be?
static bool judge_no_job(const struct one *one, const struct broker_status *status,
                         struct error *err) {
    if (status->unauthorized || status->unreachable) {
        *err = status->failure;
        return false;
    }
    const struct supervision_result *supervision = &one->supervision;
    bool crashed = supervision->reason == STOP_NOT &&
                   (supervision->end.signal != 0 || supervision->end.code != 0);
    bool silent = supervision->reason == STOP_NOT && status->waiting_since_ms == 0;
    if (crashed || silent) {
        cleanup_free char *end = describe_end(supervision);
        return error_set(err, ERROR_RUNNER_CRASHED, "%s %s", end,
                         silent ? "without asking for a job" : "while it waited for a job");
    }
    return true;
}

static bool finish(const struct one *one, struct result *result, struct error *err) {
    struct broker_status status;
    await_request(one, &status);
    if (!close_job(one, &status, err)) {
        return false;
    }
    if (!status.job_arrived) {
        return judge_no_job(one, &status, err);
    }
    add_job(one, &status, result);
    return true;
}

// --- Its beginning -----------------------------------------------------------------------------

/// Empties /tmp, but for a mirror that is checked before the next job.
static bool clean(const struct one *one, int64_t before_deadline_ms, struct error *err) {
    const int64_t limit_ms = time_for(one, before_deadline_ms, BUDGET_CLEAN_LIMIT_MS);
    return mirror_is_kept(one->options->mirror)
               ? workspace_empty_but_providers(WORKSPACE_ROOT, limit_ms, err)
               : workspace_empty(WORKSPACE_ROOT, limit_ms, err);
}

static struct workspace *make_workspace(const struct run_one *options, struct error *err) {
    struct workspace_options workspace = options->workspace;
    workspace.root = WORKSPACE_ROOT;
    workspace.providers = mirror_folder(options->mirror);
    workspace.providers_kept = mirror_is_kept(options->mirror);
    return workspace_new(&workspace, err);
}

static struct runner *start_runner(const struct one *one, const struct workspace *workspace,
                                   struct error *err) {
    struct runner_options runner = one->options->runner;
    runner.workspace = workspace;
    runner.broker_port = broker_port(one->broker);
    runner.placeholder_token = broker_placeholder(one->broker);
    runner.wait_timeout_ms = one->options->wait_timeout_ms;
    runner.credentials_token = one->session ? broker_credentials_token(one->broker) : SLICE("");
    runner.profiles = one->profiles.accounts ? &one->profiles : NULL;
    runner.trace_id = one->options->invocation->trace_id;
    return runner_start(&runner, err);
}

static void watch_over(struct one *one, struct runner *runner) {
    const struct supervision supervision = {
        .clock = one->clock,
        .runner = runner,
        .broker = one->broker,
        .deadline_ms = one->deadline_ms,
        .margin_begins_ms = one->margin_begins_ms,
        .deadline_line = DEADLINE_LINE,
    };
    one->supervision = supervise(&supervision);
}

/// NULL where jobs get no session.
static struct job_session *make_session(const struct one *one) {
    struct job_session_options session = one->options->session;
    session.deadline_ms = one->deadline_ms;
    return session.role_arn ? job_session_new(&session) : NULL;
}

/// Before a job is asked for: what is wrong with the accounts shall not cost one.
static bool prepare_profiles(struct one *one, const char *folder, struct error *err) {
    one->profiles = one->options->profiles;
    one->profiles.folder = folder;
    one->profiles.clock = one->clock;
    one->profiles.deadline_ms = one->deadline_ms;
    if (one->options->accounts) {
        one->profiles.accounts = accounts_source_get(one->options->accounts, err);
    }
    return !one->options->accounts || one->profiles.accounts;
}

/// A job without its profiles goes on: it may need none, and says which it misses otherwise.
static void write_profiles(void *context, const struct job *job) {
    const struct one *one = context;
    struct error err;
    if (one->profiles.accounts && !job_profiles_write(&one->profiles, job, &err)) {
        log_error("the job gets no AWS profiles", log_int("job", job->identity.job_id),
                  LOG_ERROR_FIELDS(&err));
    }
}

/// From a made workspace to the end of all processes and of the job in GitLab.
static bool run_in(struct one *one, const struct workspace *workspace, struct result *result,
                   int64_t *runner_ms, struct error *err) {
    cleanup_free char *aws_folder = xasprintf("%s/aws", workspace_folder(workspace));
    if (!prepare_profiles(one, aws_folder, err)) {
        return false;
    }
    cleanup_job_session struct job_session *session = make_session(one);
    one->session = session;
    const struct broker_options broker = {
        .gitlab = one->options->gitlab,
        .token = one->options->token,
        .session = one->session,
        .arrived = write_profiles,
        .arrived_context = one,
        .system_id = one->options->system_id,
        .wait_timeout_ms = one->options->wait_timeout_ms,
        .margin_begins_ms = one->margin_begins_ms,
    };
    cleanup_broker struct broker *started = broker_start(&broker, err);
    one->broker = started;
    if (!started) {
        return false;
    }
    cleanup_runner struct runner *runner = start_runner(one, workspace, err);
    if (!runner) {
        return false;
    }
    int64_t begin_ms = clock_monotonic_ms(one->clock);
    watch_over(one, runner);
    struct error kill_error;
    bool killed = kill_processes(one, &kill_error);
    *runner_ms += clock_monotonic_ms(one->clock) - begin_ms;
    bool good = finish(one, result, err);
    if (!killed) {
        *err = kill_error;
    }
    return good && killed;
}

bool run_one(const struct run_one *options, struct result *result, int64_t *runner_ms,
             struct error *err) {
    struct one one = {
        .options = options,
        .clock = clock_system(),
        .deadline_ms = options->invocation->deadline_ms,
        .margin_begins_ms = options->invocation->deadline_ms - options->margin_ms,
    };
    if (!clean(&one, BUDGET_CLOSED_MS, err)) {
        return false;
    }
    cleanup_workspace struct workspace *workspace = make_workspace(options, err);
    if (!workspace) {
        return false;
    }
    bool good = run_in(&one, workspace, result, runner_ms, err);
    if (!good) {
        log_error("the job's run failed", LOG_ERROR_FIELDS(err));
    }
    mirror_look_after(options->mirror);
    struct error dirty;
    if (!clean(&one, BUDGET_CLEAN_MS, &dirty)) {
        *err = dirty;
        return false;
    }
    return good;
}
