// SPDX-License-Identifier: Apache-2.0
/// Job requests: the runner's, made with the real token, until one of them brings a job.
#include <stdlib.h>

#include "bootstrap/broker/state.h"
#include "bootstrap/runtime/error_types.h"
#include "common/cleanup.h"
#include "common/log.h"

/// Of a request that the runner waits for.
struct question {
    struct http_server_request *request;
    struct broker *broker;
    struct secret *token;
    bool refreshed;
    bool certificate_refused;
    struct gitlab_backoff backoff;
    struct http_response response;
};

enum step { ASK_AGAIN, ANSWER_AS_GITLAB, ANSWER_NOTHING, ANSWER_TROUBLE };

void broker_ask_begin(struct http_server_request *request) {
    struct slice header = http_server_header(request, "RUNNER-TOKEN");
    if (header.len > 0 && !slice_equal_text(header, broker_of(request)->placeholder)) {
        http_server_refuse(request, 403, "403 Forbidden");
    }
}

/// Whether a request of the runner goes to GitLab at all; only one does at a time, and none after
/// the job.
static bool start_asking(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool starts = !broker->dropped && !broker->asking && !broker->job && !broker->unauthorized &&
                  !broker->unreachable;
    if (starts) {
        broker->asking = true;
        if (broker->waiting_since_ms == 0) {
            broker->waiting_since_ms = clock_now_ms(broker->clock);
        }
    }
    pthread_mutex_unlock(&broker->lock);
    return starts;
}

static void stop_asking(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    broker->asking = false;
    pthread_mutex_unlock(&broker->lock);
    broker_notify(broker);
}

/// False where the owner has given up in the meantime.
static bool set_in_flight(struct broker *broker, bool in_flight) {
    pthread_mutex_lock(&broker->lock);
    bool allowed = !in_flight || !broker->dropped;
    broker->request_in_flight = in_flight && allowed;
    pthread_mutex_unlock(&broker->lock);
    broker_notify(broker);
    return allowed;
}

static int64_t min_deadline(int64_t a, int64_t b) {
    return a <= 0 || (b > 0 && b < a) ? b : a;
}

/// Until when a request is tried again: GitLab answers well once in a while, or it is unreachable.
static int64_t give_up_ms(struct broker *broker, bool *unreachable_then) {
    pthread_mutex_lock(&broker->lock);
    *unreachable_then = broker->last_good_ms == 0;
    int64_t until = broker->waiting_since_ms + broker->wait_timeout_ms +
                    (*unreachable_then ? BROKER_GRACE_MS : 0);
    pthread_mutex_unlock(&broker->lock);
    return until;
}

static bool is_short(struct broker *broker) {
    int64_t now = clock_now_ms(broker->clock);
    pthread_mutex_lock(&broker->lock);
    int64_t waits_until = broker->waiting_since_ms + broker->wait_timeout_ms;
    pthread_mutex_unlock(&broker->lock);
    return min_deadline(broker->margin_begins_ms, waits_until) - now < BROKER_SHORT_WAIT_MS;
}

// --- One attempt -------------------------------------------------------------------------------

static bool send_question(struct question *question, struct slice body, struct error *err) {
    struct broker *broker = question->broker;
    struct broker_headers headers = {0};
    broker_headers_forward(&headers, question->request);
    if (http_server_header(question->request, "RUNNER-TOKEN").len > 0) {
        broker_headers_add(&headers, "RUNNER-TOKEN", secret_expose(question->token));
    }
    const struct gitlab_call call = {
        .method = "POST",
        .path = "/jobs/request",
        .headers = headers.list,
        .header_count = headers.count,
        .body = body,
    };
    // Without a time limit: GitLab may be handing out a job on it.
    const struct gitlab_patience patience = {.cancel_fd = broker->drop_fd};
    if (!set_in_flight(broker, true)) {
        return error_set(err, "canceled", "the time to ask for a job is over");
    }
    return gitlab_send(broker->gitlab, &call, &patience, &question->response, err);
}

static void note_job(struct broker *broker, struct job *job) {
    pthread_mutex_lock(&broker->lock);
    broker->job = job;
    broker->arrived_ms = clock_now_ms(broker->clock);
    broker->last_call_ms = clock_monotonic_ms(broker->clock);
    broker->last_good_ms = broker->arrived_ms;
    pthread_mutex_unlock(&broker->lock);
    log_info("a job has arrived", log_int("job", job->identity.job_id),
             log_int("project", job->identity.project_id), log_text("name", job->name),
             log_int("queuedMs", job->queued_ms));
}

static void note_good(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    broker->last_good_ms = clock_now_ms(broker->clock);
    pthread_mutex_unlock(&broker->lock);
}

static void note_failure(struct broker *broker, bool unauthorized, const char *code,
                         const char *text) {
    pthread_mutex_lock(&broker->lock);
    broker->unauthorized |= unauthorized;
    broker->unreachable |= !unauthorized;
    error_set(&broker->failure, code, "%s", text);
    pthread_mutex_unlock(&broker->lock);
    log_error("a job cannot be taken from GitLab", log_text("errorType", code),
              log_text("error", text));
    broker_notify(broker);
}

/// What is said of GitLab if nothing better comes.
static void remember_trouble(struct broker *broker, const struct error *reason) {
    log_warn("a job request failed", LOG_ERROR_FIELDS(reason));
    pthread_mutex_lock(&broker->lock);
    broker->troubled = true;
    if (!broker->unauthorized && !broker->unreachable) {
        error_set(&broker->failure, ERROR_GITLAB_UNREACHABLE,
                  "GitLab did not answer a job request as it should: %s", reason->message);
    }
    pthread_mutex_unlock(&broker->lock);
}

// --- GitLab's answer ---------------------------------------------------------------------------

/// After a failed attempt: waits, or gives up.
static enum step after_trouble(struct question *question, bool answered,
                               const struct error *reason) {
    struct broker *broker = question->broker;
    (void)set_in_flight(broker, false);
    remember_trouble(broker, reason);
    bool unreachable_then;
    const struct gitlab_patience patience = {
        .until_ms = min_deadline(give_up_ms(broker, &unreachable_then), broker->margin_begins_ms),
        .cancel_fd = broker->drop_fd,
    };
    bool hopeless = error_is(reason, "certificate") && question->certificate_refused;
    question->certificate_refused |= error_is(reason, "certificate");
    if (!hopeless && gitlab_pause(broker->gitlab, &question->backoff,
                                  answered ? &question->response : NULL, &patience)) {
        return ASK_AGAIN;
    }
    int64_t limit = give_up_ms(broker, &unreachable_then);
    if (unreachable_then && (hopeless || clock_left_ms(broker->clock, limit) < 1000)) {
        struct error failure;
        pthread_mutex_lock(&broker->lock);
        failure = broker->failure;
        pthread_mutex_unlock(&broker->lock);
        note_failure(broker, false, failure.code, failure.message);
    }
    return ANSWER_TROUBLE;
}

static enum step after_refusal(struct question *question) {
    struct broker *broker = question->broker;
    (void)set_in_flight(broker, false);
    struct error err;
    cleanup_secret struct secret *newer = NULL;
    error_set(&err, ERROR_RUNNER_UNAUTHORIZED,
              "GitLab does not accept the runner token (status %d): the token was reset, or the "
              "runner was removed or paused",
              question->response.status);
    if (!question->refreshed) {
        question->refreshed = true;
        struct error reading;
        newer = token_source_refresh(broker->token, question->token,
                                     clock_now_ms(broker->clock) + BROKER_LATER_TOKEN_MS, &reading);
        if (!newer) {
            struct error copy = err;
            error_set(&err, copy.code, "%s; %s", copy.message, reading.message);
        }
    }
    if (newer && !secret_equals(question->token, secret_expose(newer))) {
        log_info("GitLab refused the runner token; its secret has a new one");
        secret_destroy(question->token);
        question->token = steal_pointer(&newer);
        return ASK_AGAIN;
    }
    note_failure(broker, true, err.code, err.message);
    return ANSWER_TROUBLE;
}

/// The job cannot be run, and GitLab takes it for running: its owner has to fail it.
static void note_unreadable(struct broker *broker, struct job *job, const struct error *flaw) {
    note_job(broker, job);
    log_error("GitLab handed out a job that cannot be read", log_int("job", job->identity.job_id),
              LOG_ERROR_FIELDS(flaw));
    pthread_mutex_lock(&broker->lock);
    broker->unreadable = true;
    error_set(&broker->failure, flaw->code,
              "the job could not be read from GitLab's answer, and was not run: %s%s",
              flaw->message, error_is(flaw, "too_large") ? ": give it fewer variables" : "");
    pthread_mutex_unlock(&broker->lock);
    broker_notify(broker);
}

/// GitLab has handed out a job: whatever its answer is worth, it is not asked for another one.
/// `flaw`: what was wrong with the answer itself, or NULL.
static enum step after_job(struct question *question, const struct error *flaw) {
    struct broker *broker = question->broker;
    struct error err;
    bool readable = false;
    struct job *job = job_parse(buffer_slice(&question->response.body), &readable, &err);
    if (!job) {
        error_prefix(&err, "GitLab handed out a job, which ends by its own timeout there, in an "
                           "answer that cannot be read");
        note_failure(broker, false, ERROR_GITLAB_UNREACHABLE, err.message);
        return ANSWER_TROUBLE;
    }
    if (flaw || !readable) {
        note_unreadable(broker, job, flaw ? flaw : &err);
        return ANSWER_TROUBLE;
    }
    if (broker->arrived) {
        broker->arrived(broker->arrived_context, job);
    }
    note_job(broker, job);
    return ANSWER_AS_GITLAB;
}

static enum step after_answer(struct question *question) {
    switch (question->response.status) {
    case 201:
        return after_job(question, NULL);
    case 204:
    case 409:
        note_good(question->broker);
        return ANSWER_AS_GITLAB;
    case 401:
    case 403:
        return after_refusal(question);
    default:
        break;
    }
    struct error reason;
    error_set(&reason, "status", "it answered with status %d", question->response.status);
    return after_trouble(question, true, &reason);
}

/// None, or one that was cut.
static enum step after_no_answer(struct question *question, const struct error *reason) {
    if (question->response.cut_status == 201) {
        return after_job(question, reason);
    }
    return error_is(reason, "canceled") ? ANSWER_NOTHING : after_trouble(question, false, reason);
}

static enum step ask(struct question *question) {
    struct broker *broker = question->broker;
    cleanup_buffer struct buffer body = BUFFER_INIT_SENSITIVE(SIZE_MAX / 4);
    struct error err;
    if (!job_request_rewrite(buffer_slice(&question->request->body), broker->placeholder,
                             question->token, broker->system_id, is_short(broker), &body, &err)) {
        return ANSWER_TROUBLE; // It was good before.
    }
    http_response_clean_up(&question->response);
    http_response_init(&question->response, JOB_LARGEST_ANSWER);
    bool answered = send_question(question, buffer_slice(&body), &err);
    enum step step = answered ? after_answer(question) : after_no_answer(question, &err);
    // Only now: the owner must not see that nothing is under way before it sees the job.
    (void)set_in_flight(broker, false);
    return step;
}

/// Where the runner asks again after an answer without a job: what comes of it when the owner gives
/// up meanwhile is seen by who sends the request.
static void wait_a_little(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool again = broker->last_good_ms != 0;
    pthread_mutex_unlock(&broker->lock);
    if (again) {
        (void)clock_sleep_ms(broker->clock, clock_random_up_to(broker->clock, BROKER_ASK_JITTER_MS),
                             broker->drop_fd);
    }
}

static enum step ask_until_answered(struct question *question) {
    struct error err;
    question->token =
        token_source_get(question->broker->token,
                         clock_now_ms(question->broker->clock) + BROKER_LATER_TOKEN_MS, &err);
    if (!question->token) {
        return after_trouble(question, false, &err);
    }
    wait_a_little(question->broker);
    enum step step;
    do {
        step = ask(question);
    } while (step == ASK_AGAIN);
    return step;
}

/// Tells whether the request is one, and shows the placeholder.
static bool is_good(struct http_server_request *request, struct error *err) {
    cleanup_buffer struct buffer unused = BUFFER_INIT_SENSITIVE(SIZE_MAX / 4);
    cleanup_secret struct secret *none = secret_new(SLICE(""));
    return job_request_rewrite(buffer_slice(&request->body), broker_of(request)->placeholder, none,
                               broker_of(request)->system_id, false, &unused, err);
}

bool broker_ask_finish(struct http_server_request *request) {
    struct broker *broker = broker_of(request);
    struct error err;
    if (!is_good(request, &err)) {
        return error_is(&err, "forbidden")
                   ? http_server_answer_message(request, 403, "403 Forbidden")
                   : http_server_answer_message(request, 400, err.message);
    }
    http_server_trust(request);
    if (!start_asking(broker)) {
        return http_server_answer(request, 204, NULL);
    }
    struct question question = {.request = request, .broker = broker};
    http_response_init(&question.response, JOB_LARGEST_ANSWER);
    enum step step = ask_until_answered(&question);
    bool result =
        step == ANSWER_AS_GITLAB ? broker_answer_like(request, &question.response)
        : step == ANSWER_NOTHING
            ? http_server_answer(request, 204, NULL)
            : http_server_answer_message(request, 503, "503 GitLab does not answer as it should");
    stop_asking(broker);
    http_response_clean_up(&question.response);
    secret_destroy(question.token);
    return result;
}
