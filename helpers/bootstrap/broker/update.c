// SPDX-License-Identifier: Apache-2.0
/// Updates of the job's state: the runner's, and those that we send in its place.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"

/// An update on its way.
struct dispatch {
    struct broker *broker;
    const char *path;
    struct broker_headers headers;
    struct slice body;
    /// The state that the body says.
    const char *state;
    struct gitlab_patience patience;
    struct http_response response;
};

/// The same update was taken before, and only the answer was lost: the job is in that state.
static bool was_taken(const struct dispatch *dispatch) {
    struct slice job_status;
    return dispatch->response.status == 403 &&
           http_response_header(&dispatch->response, "Job-Status", &job_status) &&
           slice_equal_text(job_status, dispatch->state);
}

/// Says why an attempt failed. Where its time was over, GitLab's answer to one before says more.
static void explain_failure(bool answered, int last_status, struct error *err) {
    if (answered) {
        error_set(err, "status", "GitLab answered with status %d", last_status);
    } else if (last_status != 0 && error_is(err, "timeout")) {
        error_set(err, "timeout", "GitLab answered with status %d until the time was over",
                  last_status);
    }
}

/// Sends it until there is an answer that is not mere trouble. False where there was none at all.
static bool dispatch_send(struct dispatch *dispatch, struct error *err) {
    struct broker *broker = dispatch->broker;
    struct gitlab_backoff backoff = {0};
    bool uncertain = false;
    int last_status = 0;
    const struct gitlab_call call = {
        .method = "PUT",
        .path = dispatch->path,
        .headers = dispatch->headers.list,
        .header_count = dispatch->headers.count,
        .body = dispatch->body,
    };
    for (;;) {
        http_response_clean_up(&dispatch->response);
        http_response_init(&dispatch->response, BROKER_LARGEST_ANSWER);
        bool answered =
            gitlab_send(broker->gitlab, &call, &dispatch->patience, &dispatch->response, err);
        if (answered && uncertain && was_taken(dispatch)) {
            dispatch->response.status = 200;
        }
        if (answered) {
            broker_learn(broker, &dispatch->response, dispatch->state[0] != '\0');
        }
        if (answered && !gitlab_is_transient(dispatch->response.status)) {
            return true;
        }
        uncertain = true;
        last_status = answered ? dispatch->response.status : last_status;
        explain_failure(answered, last_status, err);
        log_warn("an update of the job failed", LOG_ERROR_FIELDS(err));
        if ((!answered && error_is(err, "canceled")) ||
            !gitlab_pause(broker->gitlab, &backoff, answered ? &dispatch->response : NULL,
                          &dispatch->patience)) {
            return answered;
        }
    }
}

static void dispatch_clean_up(struct dispatch *dispatch) {
    http_response_clean_up(&dispatch->response);
}

// --- The runner's updates ----------------------------------------------------------------------

void broker_update_begin(struct http_server_request *request) {
    const struct job *job = broker_job(broker_of(request));
    struct slice token = http_server_header(request, "JOB-TOKEN");
    if (!job || request->number != job->identity.job_id ||
        (token.len > 0 && !job_has_token(job, token))) {
        http_server_refuse(request, 403, "403 Forbidden");
    }
}

/// By the header or by the body, as runners old and new do; a wrong token in either is refused.
static bool is_authorised(const struct http_server_request *request,
                          const struct job_update *update) {
    const struct job *job = broker_of(request)->job;
    if (update->token) {
        return job_has_token(job, secret_expose(update->token));
    }
    return job_has_token(job, http_server_header(request, "JOB-TOKEN"));
}

static char *copy_held_line(struct broker *broker, const char **reason) {
    pthread_mutex_lock(&broker->lock);
    char *line = broker->held_line && !broker->final_state ? xstrdup(broker->held_line) : NULL;
    *reason = broker->held_reason;
    pthread_mutex_unlock(&broker->lock);
    return line;
}

/// What the owner wants GitLab to know before the job is over.
static void explain_end(struct broker *broker, struct job_update *update) {
    const char *reason;
    cleanup_free char *line = copy_held_line(broker, &reason);
    if (line) {
        job_update_explain(update, reason);
    }
    const struct gitlab_patience patience = broker_patience(broker, BROKER_LINE_PATIENCE_MS);
    struct error err;
    if (line && !broker_add_line(broker, line, &patience, &err)) {
        log_warn("the trace does not say why the job ends", LOG_ERROR_FIELDS(&err));
    }
}

static void after_final(struct broker *broker, const struct job_update *update, int status) {
    if (status == 200) {
        broker_finish(broker, update->state, update->failure_reason,
                      update->has_exit_code ? &update->exit_code : NULL);
    } else if (status == 412) {
        broker->trace.doubtful = true;
    }
}

/// A runner sends its trace and its update again at once, for as long as GitLab refuses them.
static void slow_down(struct broker *broker, const struct gitlab_patience *patience) {
    if (!gitlab_pause(broker->gitlab, &broker->refused, NULL, patience)) {
        log_warn("GitLab refuses the job's trace again and again",
                 log_int("times", broker->refused.failures));
    }
}

/// The body for GitLab.
static bool rewrite(const struct broker *broker, struct slice body, const struct job_update *update,
                    struct buffer *out, struct error *err) {
    struct job_trace trace = broker->trace;
    // Where GitLab has refused the checksum often enough, the state counts more.
    bool hopeless = broker->refused.failures >= BROKER_MOST_REFUSALS;
    trace.crc_known = trace.crc_known && !hopeless;
    bool fits = !update->final || (!hopeless && !trace.line_added);
    return job_update_rewrite(body, update, fits ? NULL : &trace, out, err);
}

/// A runner that fails before its job began may not have told GitLab that it took the job.
static bool send_update(struct dispatch *dispatch, const struct job_update *update,
                        struct error *err) {
    bool answered = dispatch_send(dispatch, err);
    if (answered && update->final && dispatch->response.status == 400 &&
        broker_begin_job(dispatch->broker, &dispatch->patience)) {
        answered = dispatch_send(dispatch, err);
    }
    return answered;
}

static bool pass_update(struct http_server_request *request, struct job_update *update) {
    struct broker *broker = broker_of(request);
    cleanup_buffer struct buffer rewritten = BUFFER_INIT_SENSITIVE(SIZE_MAX / 4);
    cleanup_free char *path = broker_forward_path(request);
    struct dispatch dispatch = {
        .broker = broker,
        .path = path,
        .state = update->state,
        .patience = broker_patience(broker, BROKER_PATIENCE_MS),
    };
    struct error err;
    // A job that comes to its own good end in the last moment was not stopped.
    if (strcmp(update->state, "failed") == 0) {
        explain_end(broker, update);
    }
    if (!rewrite(broker, buffer_slice(&request->body), update, &rewritten, &err)) {
        return http_server_answer_message(request, 400, err.message);
    }
    dispatch.body = buffer_slice(&rewritten);
    broker_headers_forward(&dispatch.headers, request);
    broker_headers_add(&dispatch.headers, "JOB-TOKEN", http_server_header(request, "JOB-TOKEN"));
    bool result;
    if (send_update(&dispatch, update, &err)) {
        if (update->final) {
            after_final(broker, update, dispatch.response.status);
        }
        if (dispatch.response.status == 412) {
            slow_down(broker, &dispatch.patience);
        }
        result = broker_answer_like(request, &dispatch.response);
    } else {
        result = http_server_answer_message(request, 502, err.message);
    }
    dispatch_clean_up(&dispatch);
    return result;
}

bool broker_update_finish(struct http_server_request *request) {
    struct broker *broker = broker_of(request);
    cleanup_job_update struct job_update update = {0};
    struct error err;
    if (!job_update_parse(buffer_slice(&request->body), &update, &err)) {
        return http_server_answer_message(request, 400, err.message);
    }
    if (!is_authorised(request, &update)) {
        return http_server_answer_message(request, 403, "403 Forbidden");
    }
    http_server_trust(request);
    pthread_mutex_lock(&broker->job_lock);
    bool result = broker_is_closed(broker)
                      ? http_server_answer_message(request, 403, "403 Forbidden")
                      : pass_update(request, &update);
    pthread_mutex_unlock(&broker->job_lock);
    return result;
}

// --- Our own updates ---------------------------------------------------------------------------

/// Sends an update of ours; false where there was no answer.
static bool send_own(struct broker *broker, const char *state, const char *failure_reason,
                     bool with_output, const struct gitlab_patience *patience,
                     struct dispatch *dispatch, struct error *err) {
    cleanup_free char *path = xasprintf("/jobs/%" PRId64, broker->job->identity.job_id);
    cleanup_buffer struct buffer body = BUFFER_INIT_SENSITIVE(BROKER_LARGEST_REQUEST);
    job_update_compose(broker->job, state, failure_reason, with_output ? &broker->trace : NULL,
                       &body);
    if (!buffer_check(&body, "update", err)) {
        return false;
    }
    *dispatch = (struct dispatch){
        .broker = broker,
        .path = path,
        .body = buffer_slice(&body),
        .state = state,
        .patience = *patience,
    };
    broker_headers_add(&dispatch->headers, "Content-Type", SLICE("application/json"));
    broker_headers_add_job_token(&dispatch->headers, broker->job);
    bool answered = dispatch_send(dispatch, err);
    // They lie on our stack.
    dispatch->path = NULL;
    dispatch->body = (struct slice){0};
    return answered;
}

static bool is_silent(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool silent = broker->job && broker->begun && !broker->final_state && !broker->closed &&
                  clock_monotonic_ms(broker->clock) - broker->last_call_ms >= BROKER_SILENCE_MS;
    pthread_mutex_unlock(&broker->lock);
    return silent;
}

void broker_touch(struct broker *broker) {
    if (!is_silent(broker) || pthread_mutex_trylock(&broker->job_lock) != 0) {
        return;
    }
    if (is_silent(broker)) {
        const struct gitlab_patience patience = broker_patience(broker, BROKER_TOUCH_PATIENCE_MS);
        struct dispatch dispatch = {0};
        struct error err;
        (void)send_own(broker, "running", NULL, false, &patience, &dispatch, &err);
        dispatch_clean_up(&dispatch);
        // Whatever came of it, not again at once.
        pthread_mutex_lock(&broker->lock);
        broker->last_call_ms = clock_monotonic_ms(broker->clock);
        pthread_mutex_unlock(&broker->lock);
    }
    pthread_mutex_unlock(&broker->job_lock);
}

/// GitLab has an update but waits for the parts of the trace that make up the checksum. False where
/// there is nothing more to try.
static bool await_acceptance(struct broker *broker, bool *with_output,
                             const struct gitlab_patience *patience) {
    if (clock_left_ms(broker->clock, patience->until_ms) >= BROKER_ACCEPTED_LAST_MS) {
        int64_t pause_ms = BROKER_ACCEPTED_PAUSE_MS / 2 +
                           clock_random_up_to(broker->clock, BROKER_ACCEPTED_PAUSE_MS / 2);
        return clock_sleep_ms(broker->clock, pause_ms, patience->cancel_fd);
    }
    // Nobody comes again after us: without a checksum there is nothing to wait for.
    bool was_with_output = *with_output;
    *with_output = false;
    return was_with_output;
}

/// What the attempts to set the job failed have come to.
struct closing {
    const char *failure_reason;
    bool with_output;
    struct gitlab_backoff refused;
    bool done;
};

/// GitLab refuses the final state for a reason that can be mended. True where that was tried often
/// enough.
static bool give_up(struct broker *broker, struct closing *closing,
                    const struct gitlab_patience *patience) {
    return closing->refused.failures >= BROKER_MOST_REFUSALS ||
           !gitlab_pause(broker->gitlab, &closing->refused, NULL, patience);
}

static void acknowledge_job(struct broker *broker, const struct gitlab_patience *patience) {
    struct dispatch dispatch = {0};
    struct error unused;
    (void)send_own(broker, "running", NULL, false, patience, &dispatch, &unused);
    dispatch_clean_up(&dispatch);
}

/// One more attempt to set the job failed. True when nothing more is to be tried.
static bool try_to_fail(struct broker *broker, struct closing *closing,
                        const struct gitlab_patience *patience, struct error *err) {
    struct dispatch dispatch = {0};
    bool answered = send_own(broker, "failed", closing->failure_reason, closing->with_output,
                             patience, &dispatch, err);
    int status = answered ? dispatch.response.status : 0;
    dispatch_clean_up(&dispatch);
    switch (status) {
    case 200:
        broker_finish(broker, "failed", closing->failure_reason, NULL);
        closing->done = true;
        return true;
    case 202:
        error_set(err, "status", "GitLab has not accepted the job's final state yet");
        return !await_acceptance(broker, &closing->with_output, patience);
    case 412:
        error_set(err, "status", "GitLab has another checksum of the trace");
        closing->with_output = false;
        return give_up(broker, closing, patience);
    case 400:
    case 409:
        // As before it knows that the job was taken.
        error_set(err, "status", "GitLab answered with status %d to the job's final state", status);
        if (give_up(broker, closing, patience)) {
            return true;
        }
        acknowledge_job(broker, patience);
        return false;
    case 403:
    case 404:
        // It has a final state already, or is gone.
        closing->done = broker_is_finished(broker);
        error_set(err, "status", "GitLab answered with status %d to the job's final state", status);
        return true;
    case 0:
        return true;
    default:
        error_set(err, "status", "GitLab answered with status %d to the job's final state", status);
        return true;
    }
}

bool broker_begin_job(struct broker *broker, const struct gitlab_patience *patience) {
    pthread_mutex_lock(&broker->lock);
    bool begun = broker->begun;
    pthread_mutex_unlock(&broker->lock);
    if (!begun) {
        acknowledge_job(broker, patience);
    }
    return !begun;
}

bool broker_fail_job(struct broker *broker, const char *failure_reason,
                     const struct gitlab_patience *patience, struct error *err) {
    struct closing closing = {
        .failure_reason = failure_reason,
        .with_output = true,
        .done = broker_is_finished(broker),
    };
    error_set(err, "timeout", "the time for it is over");
    while (!closing.done && clock_left_ms(broker->clock, patience->until_ms) > 0) {
        if (try_to_fail(broker, &closing, patience, err)) {
            break;
        }
    }
    return closing.done;
}
