// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/ending.h"

#include <poll.h>
#include <signal.h>

#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/error_types.h"
#include "bootstrap/runtime/sigterm.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/process.h"

const char ENDING_DEADLINE_LINE[] =
    "Runlet: the function's time ran out, so the job was stopped. Set the runner's "
    "maximum_timeout below the function's timeout, or send jobs that take longer to another "
    "runner.";

const char ENDING_DEADLINE_REASON[] = "job_execution_timeout";

int64_t ending_time_for(const struct ending *ending, int64_t before_deadline_ms, int64_t limit_ms) {
    int64_t left_ms = ending->deadline_ms - before_deadline_ms - clock_now_ms(ending->clock);
    if (sigterm_came()) {
        limit_ms = BUDGET_LAST_WORDS_MS;
    }
    if (left_ms > limit_ms) {
        return limit_ms;
    }
    return left_ms > 50 ? left_ms : 50;
}

bool ending_kill_processes(const struct ending *ending, struct error *err) {
    if (process_kill_descendants(ending_time_for(ending, BUDGET_KILLED_MS, BUDGET_KILL_LIMIT_MS),
                                 err)) {
        return true;
    }
    return error_set(err, ERROR_WORKSPACE_DIRTY, "cannot end the job's processes: %s",
                     err->message);
}

// --- Line in the trace ---------------------------------------------------------------------------

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
        return xstrdup(ENDING_DEADLINE_LINE);
    case STOP_CANCELED:
        return xstrdup("Runlet: the job was canceled but did not end in time, so it was stopped.");
    case STOP_FULL:
        return space_line(&supervision->space);
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

/// GitLab's word for that, which `retry: when:` of a CI file goes by: what was cut at our deadline
/// must not run again by a rule for runners that broke.
static const char *closing_reason(const struct supervision_result *supervision,
                                  const struct broker_job *job) {
    if (supervision->reason == STOP_DEADLINE) {
        return ENDING_DEADLINE_REASON;
    }
    if (supervision->reason == STOP_FULL) {
        return SUPERVISE_FULL_REASON;
    }
    const bool interrupted = supervision->reason == STOP_SIGTERM && job->knows_interruption;
    return interrupted ? "runner_interrupted" : "runner_system_failure";
}

// --- State in GitLab -----------------------------------------------------------------------------

/// A request that is with GitLab may bring a job that nobody is left to run: it has to be failed.
static void await_request(const struct ending *ending, struct broker_status *status) {
    while (!broker_stop_asking(ending->broker)) {
        if (sigterm_came() || clock_now_ms(ending->clock) >= ending->margin_begins_ms) {
            broker_drop_request(ending->broker);
            break;
        }
        struct pollfd event = {.fd = broker_event_fd(ending->broker), .events = POLLIN};
        poll(&event, 1, 100);
        broker_snapshot(ending->broker, status);
    }
    broker_snapshot(ending->broker, status);
}

/// Brings the job to an end in GitLab where the runner did not.
static bool close_job(const struct ending *ending, struct broker_status *status,
                      struct error *err) {
    if (!status->job_arrived || status->finished) {
        return true;
    }
    cleanup_free char *line = status->unreadable ? xasprintf("Runlet: %s", status->failure.message)
                                                 : closing_line(&ending->supervision);
    log_warn("the runner left the job without a final state", log_int("job", status->job.id),
             log_text("reason", line));
    int64_t until_ms = clock_now_ms(ending->clock) +
                       ending_time_for(ending, BUDGET_CLOSED_MS, BUDGET_CLOSE_LIMIT_MS);
    bool closed = broker_close_job(
        ending->broker, line, closing_reason(&ending->supervision, &status->job), until_ms, err);
    broker_snapshot(ending->broker, status);
    return closed || error_set(err, ERROR_GITLAB_UNREACHABLE,
                               "job %lld is left without a final state in GitLab: %s",
                               (long long)status->job.id, err->message);
}

// --- Outcome -------------------------------------------------------------------------------------

static enum result_status judge_job(const struct ending *ending,
                                    const struct broker_status *status) {
    const char *state = status->job.state;
    if (strcmp(state, "success") == 0) {
        return RESULT_JOB_SUCCEEDED;
    }
    if (strcmp(state, "canceled") == 0 || status->canceled_since_ms > 0) {
        return RESULT_JOB_CANCELED;
    }
    return ending->supervision.reason == STOP_DEADLINE ? RESULT_DEADLINE : RESULT_JOB_FAILED;
}

static void add_job(const struct ending *ending, const struct broker_status *status,
                    struct result *result) {
    static const char *const states[] = {
        [RESULT_NO_JOB] = "failed",     [RESULT_JOB_SUCCEEDED] = "success",
        [RESULT_JOB_FAILED] = "failed", [RESULT_JOB_CANCELED] = "canceled",
        [RESULT_DEADLINE] = "failed",
    };
    const struct broker_job *job = &status->job;
    enum result_status came_of_it = judge_job(ending, status);
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
             log_text("failureReason", added.failure_reason ? added.failure_reason : ""),
             log_int("durationMs", added.duration_ms));
    result_add(result, &added, came_of_it);
}

/// Without a job: was that as it should be?
static bool judge_no_job(const struct ending *ending, const struct broker_status *status,
                         struct error *err) {
    if (status->unauthorized || status->unreachable) {
        *err = status->failure;
        return false;
    }
    const struct supervision_result *supervision = &ending->supervision;
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

bool ending_close(const struct ending *ending, struct result *result, struct error *err) {
    struct broker_status status;
    await_request(ending, &status);
    if (!close_job(ending, &status, err)) {
        return false;
    }
    if (!status.job_arrived) {
        return judge_no_job(ending, &status, err);
    }
    add_job(ending, &status, result);
    return true;
}
