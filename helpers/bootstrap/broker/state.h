// SPDX-License-Identifier: Apache-2.0
/// The broker's inside, shared by the files of this folder and by nobody else.
///
/// Two locks. `lock` is held for moments, and guards what the owner is told. `job_lock` is held
/// while the job is changed in GitLab (trace, state), for as long as that takes, so that patches,
/// updates and our own line come one after another. Who needs both takes `job_lock` first.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/broker/broker.h"
#include "bootstrap/broker/limits.h"
#include "bootstrap/gitlab/job.h"
#include "bootstrap/gitlab/trace.h"
#include "common/http/http_server.h"

enum { PLACEHOLDER_SIZE = 64 };

struct broker {
    // Set at the start.
    struct gitlab *gitlab;
    struct clock *clock;
    struct token_source *token;
    /// NULL where jobs get no session of a role.
    struct job_session *session;
    /// What a job shows to get it.
    struct secret *credentials_token;
    void (*arrived)(void *context, const struct job *job);
    void *arrived_context;
    char *system_id;
    char placeholder[PLACEHOLDER_SIZE];
    int64_t wait_timeout_ms;
    int64_t margin_begins_ms;
    struct http_server *server;
    /// Runs watch_silence().
    pthread_t watcher;
    bool watcher_runs;
    /// Readable after a change, for the owner.
    int event_fd;
    // Readable once and for all: job requests end; calls for the job that the runner waits for end;
    // everything ends.
    int drop_fd;
    int close_fd;
    int stop_fd;

    pthread_mutex_t lock;
    /// The owner has given up asking for a job.
    bool dropped;
    /// A job request is being served; it is with GitLab right now.
    bool asking;
    bool request_in_flight;
    int64_t waiting_since_ms;
    int64_t last_good_ms;
    /// A job request has failed.
    bool troubled;
    bool unauthorized;
    bool unreachable;
    /// GitLab handed out a job that cannot be read: the runner has not got it.
    bool unreadable;
    struct error failure;
    /// Set once, and not changed until the end: may be read without the lock once seen.
    struct job *job;
    int64_t arrived_ms;
    /// NULL while it runs.
    const char *final_state;
    char *failure_reason;
    bool has_exit_code;
    int64_t exit_code;
    int64_t finished_ms;
    int64_t canceled_since_ms;
    bool canceling;
    /// GitLab knows that the job was taken: by a state but a keep-alive's, or by a trace.
    bool begun;
    /// Monotonic; when GitLab last answered a call for the job.
    int64_t last_call_ms;
    char *held_line;
    /// NULL without a held line.
    const char *held_reason;
    /// The owner closes the job: calls for it are refused.
    bool closed;
    size_t buffered;

    pthread_mutex_t job_lock;
    struct job_trace trace;
    /// Of final updates that were refused because of the trace's checksum.
    struct gitlab_backoff refused;
};

/// The broker that serves the request.
static inline struct broker *broker_of(const struct http_server_request *request) {
    return request->context;
}

// --- state.c: the status ------------------------------------------------------------------------

/// Tells the owner that something changed.
void broker_notify(struct broker *broker);
/// The job if it has arrived, or NULL.
const struct job *broker_job(struct broker *broker);
bool broker_is_closed(struct broker *broker);
bool broker_is_finished(struct broker *broker);
/// The job in GitLab has this state from now on. `failure_reason` (may be NULL) is copied.
void broker_finish(struct broker *broker, const char *state, const char *failure_reason,
                   const int64_t *exit_code);
/// Looks at what an answer to a call for the job (trace, update) says of the job itself. `begins`:
/// a call that is taken means that GitLab knows of the job's begin.
void broker_learn(struct broker *broker, const struct http_response *response, bool begins);

// --- ask.c: job requests ------------------------------------------------------------------------

void broker_ask_begin(struct http_server_request *request);
bool broker_ask_finish(struct http_server_request *request);

// --- patch.c: the trace -------------------------------------------------------------------------

void broker_patch_begin(struct http_server_request *request);
void broker_patch_take(struct http_server_request *request, struct slice piece);
bool broker_patch_finish(struct http_server_request *request);
void broker_patch_release(void *state);
/// Puts a line of ours at the end of the trace; with the job's lock held. Nothing, and true, if
/// there is one already.
bool broker_add_line(struct broker *broker, const char *line,
                     const struct gitlab_patience *patience, struct error *err);

// --- update.c: the state ------------------------------------------------------------------------

void broker_update_begin(struct http_server_request *request);
bool broker_update_finish(struct http_server_request *request);
/// Asks GitLab, if nobody has for a while, whether the job is still wanted.
void broker_touch(struct broker *broker);
/// Confirms that the job was taken, where the runner did not come to it: GitLab may wait for that,
/// and take nothing else. False where there was nothing to confirm. With the job's lock held.
bool broker_begin_job(struct broker *broker, const struct gitlab_patience *patience);
/// Sets the job failed; with the job's lock held.
bool broker_fail_job(struct broker *broker, const char *failure_reason,
                     const struct gitlab_patience *patience, struct error *err);

// --- artifacts.c: files -------------------------------------------------------------------------

void broker_upload_begin(struct http_server_request *request);
void broker_upload_take(struct http_server_request *request, struct slice piece);
bool broker_upload_finish(struct http_server_request *request);
void broker_download_begin(struct http_server_request *request);
bool broker_download_finish(struct http_server_request *request);
void broker_transfer_release(void *state);

// --- container_credentials.c: the job role's session --------------------------------------------

void broker_credentials_begin(struct http_server_request *request);
bool broker_credentials_finish(struct http_server_request *request);

// --- forward.c: headers and paths ---------------------------------------------------------------

/// The request headers that GitLab gets, with room for three more.
struct broker_headers {
    struct http_header list[12];
    size_t count;
};
/// Takes over those of the runner's headers that GitLab is to see: none with a token.
void broker_headers_forward(struct broker_headers *headers,
                            const struct http_server_request *request);
void broker_headers_add(struct broker_headers *headers, const char *name, struct slice value);
/// The job's own token.
void broker_headers_add_job_token(struct broker_headers *headers, const struct job *job);

/// For a call on behalf of the runner: ends after `limit_ms`, or when the owner closes the job.
struct gitlab_patience broker_patience(const struct broker *broker, int64_t limit_ms);

/// Adds GitLab's headers, given as its answer's header lines, to ours: but for those that belong to
/// the connection, and those that were added before.
void broker_pass_headers(struct http_server_request *request, struct slice head);
/// Answers as GitLab did; `response` gives its body away.
bool broker_answer_like(struct http_server_request *request, struct http_response *response);

/// Tells whether the request is for the job and shows its token; refuses it otherwise.
bool broker_admit(struct http_server_request *request);
/// The path in GitLab: that of the request below /api/v4, and of its query what runners send, each
/// once. The rest is left out, as GitLab's API takes tokens there (private_token) and more (sudo).
/// To be released with free().
char *broker_forward_path(const struct http_server_request *request)
    __attribute__((returns_nonnull));
