// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/broker/broker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bootstrap/broker/state.h"
#include "bootstrap/runtime/error_types.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/log.h"

static const struct http_route routes[] = {
    {.method = "POST",
     .path = "/api/v4/jobs/request",
     .largest_body = BROKER_LARGEST_REQUEST,
     .begin = broker_ask_begin,
     .finish = broker_ask_finish},
    {.method = "PATCH",
     .path = "/api/v4/jobs/#/trace",
     .begin = broker_patch_begin,
     .take = broker_patch_take,
     .finish = broker_patch_finish,
     .release = broker_patch_release},
    {.method = "PUT",
     .path = "/api/v4/jobs/#",
     .largest_body = BROKER_LARGEST_REQUEST,
     .begin = broker_update_begin,
     .finish = broker_update_finish},
    {.method = "POST",
     .path = "/api/v4/jobs/#/artifacts",
     .begin = broker_upload_begin,
     .take = broker_upload_take,
     .finish = broker_upload_finish,
     .release = broker_transfer_release},
    {.method = "GET",
     .path = "/api/v4/jobs/#/artifacts",
     .begin = broker_download_begin,
     .finish = broker_download_finish,
     .release = broker_transfer_release},
    {.method = "GET",
     .path = BROKER_CREDENTIALS_PATH,
     .begin = broker_credentials_begin,
     .finish = broker_credentials_finish},
    {0},
};

// --- Start -------------------------------------------------------------------------------------

/// The two tokens that a job's side shows us: 128 random bits, in hex. The first begins with the
/// short form of `token`, as gitlab-runner keeps apart by it what runners have in one cache.
static bool make_tokens(struct broker *broker, const struct secret *token, struct error *err) {
    unsigned char random[2][16];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return error_errno(err, errno, "cannot make the broker's tokens");
    }
    // Not of the form of a runner's token: whoever finds it shall not take it for one.
    cleanup_buffer struct buffer placeholder = BUFFER_INIT(PLACEHOLDER_SIZE - 1);
    const struct slice short_form = runner_token_short_form(secret_expose(token));
    buffer_append(&placeholder, short_form);
    buffer_append_text(&placeholder, short_form.len > 0 ? "-placeholder-" : "placeholder-");
    encoding_append_hex(&placeholder, slice_make(random[0], sizeof(random[0])));
    memcpy(broker->placeholder, buffer_text(&placeholder), placeholder.len + 1);
    cleanup_buffer struct buffer credentials = BUFFER_INIT_SENSITIVE(2 * sizeof(random[1]));
    encoding_append_hex(&credentials, slice_make(random[1], sizeof(random[1])));
    broker->credentials_token = secret_take(&credentials);
    explicit_bzero(random, sizeof(random));
    return buffer_check(&placeholder, "placeholder token", err);
}

static bool open_events(struct broker *broker, struct error *err) {
    int *const fds[] = {&broker->event_fd, &broker->drop_fd, &broker->close_fd, &broker->stop_fd};
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        *fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (*fds[i] < 0) {
            return error_errno(err, errno, "cannot make an event descriptor");
        }
    }
    return true;
}

/// Looks after a job that nobody asks about.
static void *watch_silence(void *context) {
    struct broker *broker = context;
    struct pollfd stop = {.fd = broker->stop_fd, .events = POLLIN};
    int pause_ms;
    do {
        broker_touch(broker);
        pause_ms = BROKER_WATCH_MS / 2 +
                   (int)clock_random_up_to(broker->clock, BROKER_WATCH_MS - BROKER_WATCH_MS / 2);
    } while (poll(&stop, 1, pause_ms) <= 0);
    return NULL;
}

static bool start_watcher(struct broker *broker, struct error *err) {
    enum { STACK_SIZE = 256 * 1024 };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int failure = pthread_create(&broker->watcher, &attributes, watch_silence, broker);
    pthread_attr_destroy(&attributes);
    broker->watcher_runs = failure == 0;
    return failure == 0 || error_errno(err, failure, "cannot start a thread");
}

static struct secret *read_token(struct broker *broker, struct error *err) {
    int64_t until_ms = clock_now_ms(broker->clock) + BROKER_FIRST_TOKEN_MS;
    if (broker->margin_begins_ms > 0 && until_ms > broker->margin_begins_ms) {
        until_ms = broker->margin_begins_ms;
    }
    return token_source_get(broker->token, until_ms, err);
}

struct broker *broker_start(const struct broker_options *options, struct error *err) {
    struct broker *broker = xcalloc(1, sizeof(*broker));
    broker->gitlab = options->gitlab;
    broker->clock = gitlab_clock(options->gitlab);
    broker->token = options->token;
    broker->session = options->session;
    broker->arrived = options->arrived;
    broker->arrived_context = options->arrived_context;
    broker->system_id = xstrdup(options->system_id);
    broker->wait_timeout_ms = options->wait_timeout_ms;
    broker->margin_begins_ms = options->margin_begins_ms;
    broker->event_fd = broker->drop_fd = broker->close_fd = broker->stop_fd = -1;
    broker->trace = job_trace_empty();
    pthread_mutex_init(&broker->lock, NULL);
    pthread_mutex_init(&broker->job_lock, NULL);
    error_set(&broker->failure, ERROR_GITLAB_UNREACHABLE, "GitLab did not answer a job request");
    cleanup_secret struct secret *token = read_token(broker, err);
    if (!token || !make_tokens(broker, token, err) || !open_events(broker, err) ||
        !start_watcher(broker, err)) {
        broker_stop(broker);
        return NULL;
    }
    const struct http_server_options server = {.routes = routes, .context = broker};
    broker->server = http_server_start(&server, err);
    if (!broker->server) {
        broker_stop(broker);
        return NULL;
    }
    return broker;
}

// --- Stop --------------------------------------------------------------------------------------

static void raise_event(int fd) {
    if (fd >= 0) {
        (void)eventfd_write(fd, 1);
    }
}

void broker_stop(struct broker *broker) {
    if (!broker) {
        return;
    }
    raise_event(broker->stop_fd);
    raise_event(broker->close_fd);
    raise_event(broker->drop_fd);
    http_server_stop(broker->server);
    if (broker->watcher_runs) {
        pthread_join(broker->watcher, NULL);
    }
    cleanup_closep(&broker->event_fd);
    cleanup_closep(&broker->drop_fd);
    cleanup_closep(&broker->close_fd);
    cleanup_closep(&broker->stop_fd);
    pthread_mutex_destroy(&broker->lock);
    pthread_mutex_destroy(&broker->job_lock);
    job_destroy(broker->job);
    free(broker->failure_reason);
    free(broker->held_line);
    free(broker->system_id);
    secret_destroy(broker->credentials_token);
    gitlab_close_idle(broker->gitlab);
    explicit_bzero(broker->placeholder, sizeof(broker->placeholder));
    free(broker);
}

void broker_stopp(struct broker **broker) {
    broker_stop(*broker);
}

// --- Status ------------------------------------------------------------------------------------

uint16_t broker_port(const struct broker *broker) {
    return http_server_port(broker->server);
}

const char *broker_placeholder(const struct broker *broker) {
    return broker->placeholder;
}

struct slice broker_credentials_token(const struct broker *broker) {
    return secret_expose(broker->credentials_token);
}

int broker_event_fd(const struct broker *broker) {
    return broker->event_fd;
}

/// With the lock held.
static struct broker_job describe_job(const struct broker *broker) {
    int64_t until = broker->final_state ? broker->finished_ms : clock_now_ms(broker->clock);
    return (struct broker_job){
        .id = broker->job->identity.job_id,
        .project_id = broker->job->identity.project_id,
        .name = broker->job->name,
        .state = broker->final_state ? broker->final_state : "running",
        .failure_reason = broker->failure_reason,
        .has_exit_code = broker->has_exit_code,
        .exit_code = broker->exit_code,
        .knows_interruption = broker->job->knows_interruption,
        .queued_ms = broker->job->queued_ms,
        .duration_ms = until > broker->arrived_ms ? until - broker->arrived_ms : 0,
    };
}

void broker_snapshot(struct broker *broker, struct broker_status *status) {
    eventfd_t unused;
    // Before looking: what changes afterwards makes it readable again.
    (void)eventfd_read(broker->event_fd, &unused);
    pthread_mutex_lock(&broker->lock);
    *status = (struct broker_status){
        .request_in_flight = broker->request_in_flight,
        .waiting_since_ms = broker->waiting_since_ms,
        .last_good_ms = broker->last_good_ms,
        .unauthorized = broker->unauthorized,
        .unreachable = broker->unreachable,
        .unreadable = broker->unreadable,
        .failure = broker->failure,
        .job_arrived = broker->job != NULL,
        .canceled_since_ms = broker->canceled_since_ms,
        .canceling = broker->canceling,
        .finished = broker->final_state != NULL,
    };
    if (broker->job) {
        status->job = describe_job(broker);
    }
    pthread_mutex_unlock(&broker->lock);
}

// --- The owner's orders ------------------------------------------------------------------------

/// With the lock held: whether GitLab had its chance and gave no good answer. A request that it
/// merely holds, as long polling does, is none that failed.
static bool had_no_answer(const struct broker *broker) {
    if (broker->waiting_since_ms == 0 || broker->last_good_ms != 0 || broker->unauthorized) {
        return false;
    }
    int64_t limit_ms = broker->waiting_since_ms + broker->wait_timeout_ms + BROKER_GRACE_MS;
    return broker->troubled || clock_now_ms(broker->clock) >= limit_ms;
}

void broker_drop_request(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool news = !broker->dropped;
    bool in_flight = broker->request_in_flight;
    broker->dropped = true;
    broker->unreachable |= news && had_no_answer(broker);
    pthread_mutex_unlock(&broker->lock);
    if (news && in_flight) {
        log_warn("the time to ask for a job is over: a request to GitLab is given up; a job handed "
                 "out on it will end by GitLab's own timeout");
    }
    raise_event(broker->drop_fd);
    broker_notify(broker);
}

bool broker_stop_asking(struct broker *broker) {
    pthread_mutex_lock(&broker->lock);
    bool idle = !broker->request_in_flight;
    broker->unreachable |= idle && !broker->dropped && had_no_answer(broker);
    broker->dropped |= idle;
    pthread_mutex_unlock(&broker->lock);
    if (idle) {
        raise_event(broker->drop_fd);
    }
    return idle;
}

void broker_hold_final(struct broker *broker, const char *line, const char *failure_reason) {
    pthread_mutex_lock(&broker->lock);
    free(broker->held_line);
    broker->held_line = line ? xstrdup(line) : NULL;
    broker->held_reason = failure_reason;
    pthread_mutex_unlock(&broker->lock);
}

/// Takes the job's lock: first what the runner sent last may get through, then it has to give way.
static void take_job_lock(struct broker *broker, int64_t give_way_ms) {
    int64_t left = clock_left_ms(broker->clock, give_way_ms);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(left / 1000);
    until.tv_nsec += (long)(left % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    if (pthread_mutex_timedlock(&broker->job_lock, &until) != 0) {
        raise_event(broker->close_fd);
        pthread_mutex_lock(&broker->job_lock);
    }
}

bool broker_close_job(struct broker *broker, const char *line, const char *failure_reason,
                      int64_t until_ms, struct error *err) {
    if (!broker_job(broker)) {
        return true;
    }
    int64_t now = clock_now_ms(broker->clock);
    int64_t left = until_ms > now ? until_ms - now : 0;
    take_job_lock(broker, now + left / 3);
    pthread_mutex_lock(&broker->lock);
    broker->closed = true;
    pthread_mutex_unlock(&broker->lock);
    bool finished = broker_is_finished(broker);
    struct gitlab_patience patience = {
        // The state counts more than the line.
        .until_ms = now + left / 3 * 2,
        .cancel_fd = broker->stop_fd,
    };
    if (!finished) {
        (void)broker_begin_job(broker, &patience);
        finished = broker_is_finished(broker);
    }
    struct error line_error;
    if (!finished && line && !broker_add_line(broker, line, &patience, &line_error)) {
        log_warn("the trace does not say why the job ends", LOG_ERROR_FIELDS(&line_error));
    }
    patience.until_ms = until_ms;
    finished = finished || broker_is_finished(broker) ||
               broker_fail_job(broker, failure_reason, &patience, err);
    pthread_mutex_unlock(&broker->job_lock);
    return finished || error_prefix(err, "cannot close job %lld in GitLab",
                                    (long long)broker->job->identity.job_id);
}
