// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/supervise.h"

#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/sigterm.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/process.h"

/// How long one look at the runner, the broker and the clock lasts.
enum { TICK_MS = 100 };

/// What has been seen so far.
struct watch {
    /// Unix epoch, 0: not yet.
    int64_t finished_at_ms;
    enum stop_reason stopping;
    /// The deadline came before anything else did.
    bool deadline_came;
    /// When the runner is killed, once it is being stopped.
    int64_t kill_at_ms;
    struct space space;
    /// The trace will say that /tmp ran full, should the job fail.
    bool full_held;
};

/// A job that frees its disk in time, or has no need of it, is left alone; where it fails all the
/// same in this moment, the trace says what is likely to be behind it.
static bool stays_full(const struct supervision *s, struct watch *watch) {
    const int64_t now_ms = clock_monotonic_ms(s->clock);
    struct space *space = &watch->space;
    space_look(space, now_ms);
    const bool lately = space->last_full_ms > 0 && now_ms < space->last_full_ms + BUDGET_FULL_MS;
    if (lately != watch->full_held && watch->stopping == STOP_NOT) {
        cleanup_free char *line = lately ? space_line(space) : NULL;
        broker_hold_final(s->broker, line, SUPERVISE_FULL_REASON);
        watch->full_held = lately;
    }
    return space->full_since_ms > 0 && now_ms >= space->full_since_ms + BUDGET_FULL_MS;
}

static enum stop_reason reason_to_stop(const struct supervision *s, struct watch *watch,
                                       int64_t now_ms) {
    if (sigterm_came()) {
        return STOP_SIGTERM;
    }
    if (now_ms >= s->margin_begins_ms) {
        return STOP_DEADLINE;
    }
    struct broker_status status;
    broker_snapshot(s->broker, &status);
    if (status.unauthorized || status.unreachable || status.unreadable) {
        return STOP_FAILED;
    }
    if (status.canceled_since_ms > 0 && now_ms >= status.canceled_since_ms + BUDGET_CANCEL_MS) {
        return STOP_CANCELED;
    }
    if (status.finished && watch->finished_at_ms == 0) {
        watch->finished_at_ms = now_ms;
    }
    // A runner that is not told of the cancel by its own next request would work on for nobody.
    bool aborted = status.canceled_since_ms > 0 && !status.canceling;
    int64_t linger_ms = aborted ? BUDGET_ABORT_MS : BUDGET_LINGER_MS;
    if (watch->finished_at_ms > 0) {
        return now_ms >= watch->finished_at_ms + linger_ms ? STOP_LINGERING : STOP_NOT;
    }
    return status.job_arrived && stays_full(s, watch) ? STOP_FULL : STOP_NOT;
}

/// How each stop is logged, and how long the runner has for it.
static const struct {
    enum log_level level;
    const char *message;
    int64_t grace_ms;
} stops[] = {
    [STOP_NOT] = {LOG_LEVEL_INFO, "", 0},
    [STOP_DEADLINE] = {LOG_LEVEL_WARN, "the function's time runs out: gitlab-runner is stopped",
                       BUDGET_GRACE_MS},
    [STOP_CANCELED] = {LOG_LEVEL_WARN, "the canceled job did not end: gitlab-runner is stopped",
                       BUDGET_CANCEL_GRACE_MS},
    [STOP_LINGERING] = {LOG_LEVEL_WARN, "the job is over: gitlab-runner is stopped",
                        BUDGET_CANCEL_GRACE_MS},
    [STOP_FAILED] = {LOG_LEVEL_INFO, "no job can come: gitlab-runner is stopped",
                     BUDGET_FAILED_GRACE_MS},
    [STOP_FULL] = {LOG_LEVEL_WARN, "/tmp stays full: gitlab-runner is stopped",
                   BUDGET_CANCEL_GRACE_MS},
    [STOP_SIGTERM] = {LOG_LEVEL_WARN, "Lambda ends the environment: gitlab-runner is stopped", 0},
};

static void stop(const struct supervision *s, struct watch *watch, enum stop_reason reason,
                 int64_t now_ms) {
    log_write(stops[reason].level, stops[reason].message, LOG_FIELDS());
    if (reason == STOP_DEADLINE) {
        broker_drop_request(s->broker);
        broker_hold_final(s->broker, s->deadline_line, s->deadline_reason);
        watch->deadline_came = true;
    } else if (reason == STOP_FULL) {
        cleanup_free char *line = space_line(&watch->space);
        broker_hold_final(s->broker, line, SUPERVISE_FULL_REASON);
    }
    runner_terminate(s->runner);
    watch->stopping = reason;
    int64_t latest_ms = s->deadline_ms - BUDGET_KILL_MS;
    int64_t kill_at_ms = now_ms + stops[reason].grace_ms;
    watch->kill_at_ms = kill_at_ms < latest_ms ? kill_at_ms : latest_ms;
}

struct supervision_result supervise(const struct supervision *s) {
    struct watch watch = {
        .stopping = STOP_NOT,
        .space = {.root = WORKSPACE_ROOT,
                  .runner_tmp = workspace_tmp(s->workspace),
                  .trace_bytes = s->trace_bytes},
    };
    struct supervision_result result = {.reason = STOP_NOT};
    for (;;) {
        result.ended = runner_wait(s->runner, TICK_MS, &result.end);
        // Orphans come to us: unreaped they would use up the function's 1,024 processes.
        process_reap_orphans();
        int64_t now_ms = clock_now_ms(s->clock);
        if (result.ended || (watch.stopping != STOP_NOT && now_ms >= watch.kill_at_ms)) {
            // A job that was cut there stays one, also where Lambda then loses its patience.
            result.reason = watch.deadline_came ? STOP_DEADLINE : watch.stopping;
            result.space = watch.space;
            return result;
        }
        enum stop_reason reason = reason_to_stop(s, &watch, now_ms);
        // Lambda's own word is more urgent than what came before it.
        bool more_urgent = reason == STOP_SIGTERM && watch.stopping != STOP_SIGTERM;
        if (reason != STOP_NOT && (watch.stopping == STOP_NOT || more_urgent)) {
            stop(s, &watch, reason, now_ms);
        }
    }
}
