// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/eventfd.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/log.h"

void broker_notify(struct broker *broker) {
    // Fails only where it is readable already.
    (void)eventfd_write(broker->event_fd, 1);
}

const struct job *broker_job(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    const struct job *job = broker->job;
    pthread_mutex_unlock(&broker->lock);
    return job;
}

bool broker_is_closed(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool closed = broker->closed;
    pthread_mutex_unlock(&broker->lock);
    return closed;
}

bool broker_is_finished(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool finished = broker->final_state != NULL;
    pthread_mutex_unlock(&broker->lock);
    return finished;
}

/// With the lock held.
static void set_final_state(struct broker *broker, const char *state, const char *failure_reason,
                            const int64_t *exit_code) {
    if (broker->final_state) {
        return;
    }
    bool canceled = broker->canceled_since_ms != 0;
    broker->final_state = canceled ? "canceled" : state;
    broker->failure_reason = failure_reason ? xstrdup(failure_reason) : NULL;
    broker->has_exit_code = exit_code != NULL;
    broker->exit_code = exit_code ? *exit_code : 0;
    if (strcmp(broker->final_state, "success") == 0) {
        broker->has_exit_code = true;
        broker->exit_code = 0;
    }
    broker->finished_ms = clock_now_ms(broker->clock);
    log_info("the job is finished", log_int("job", broker->job->identity.job_id),
             log_text("state", broker->final_state),
             log_text("failureReason", failure_reason ? failure_reason : ""));
}

void broker_finish(struct broker *broker, const char *state, const char *failure_reason,
                   const int64_t *exit_code) {
    pthread_mutex_lock(&broker->lock);
    set_final_state(broker, state, failure_reason, exit_code);
    pthread_mutex_unlock(&broker->lock);
    broker_notify(broker);
}

/// With the lock held. True for news.
static bool see_cancel(struct broker *broker, bool canceling) {
    bool news = broker->canceled_since_ms == 0 || broker->canceling != canceling;
    if (broker->canceled_since_ms == 0) {
        broker->canceled_since_ms = clock_now_ms(broker->clock);
        log_info("the job is canceled in GitLab", log_int("job", broker->job->identity.job_id),
                 log_bool("canceling", canceling));
    }
    broker->canceling = canceling;
    return news;
}

/// What a call says that is refused because the job does not run any more: with the state that it
/// has, or without one where it is gone or GitLab is old. With the lock held; true for news.
static bool see_end(struct broker *broker, struct slice job_status) {
    if (slice_equal_text(job_status, "success")) {
        set_final_state(broker, "success", NULL, NULL);
    } else if (slice_equal_text(job_status, "failed")) {
        set_final_state(broker, "failed", NULL, NULL);
    } else if (job_status.len == 0 || slice_equal_text(job_status, "canceled")) {
        (void)see_cancel(broker, false);
        set_final_state(broker, "canceled", NULL, NULL);
    } else {
        return false;
    }
    return true;
}

void broker_learn(struct broker *broker, const struct http_response *response, bool begins) {
    struct slice job_status = {0};
    (void)http_response_header(response, "Job-Status", &job_status);
    bool good = response->status >= 200 && response->status < 300;
    bool gone = response->status == 403 || response->status == 404;
    bool news = false;
    pthread_mutex_lock(&broker->lock);
    broker->last_call_ms = clock_monotonic_ms(broker->clock);
    broker->begun |= good && begins;
    if (!broker->final_state) {
        if (slice_equal_text(job_status, "canceling")) {
            news = see_cancel(broker, true);
        } else if (slice_equal_text(job_status, "canceled")) {
            news = see_cancel(broker, false);
        }
        news |= gone && see_end(broker, job_status);
    }
    pthread_mutex_unlock(&broker->lock);
    if (news) {
        broker_notify(broker);
    }
}
