// SPDX-License-Identifier: Apache-2.0
/// Stands between one gitlab-runner process and GitLab.
///
/// gitlab-runner is pointed at a port on 127.0.0.1 and given a placeholder token. The broker puts
/// the real token into job requests alone, hands out one job, lets through what this job needs
/// (trace, state, artifacts) and nothing else, and knows from the protocol how the job went.
///
/// One broker serves one run-single. The owner's part, from one thread:
///
///     broker_start; start the runner with broker_port() and broker_placeholder()
///     until the runner has ended: poll broker_event_fd(), then broker_snapshot():
///         unauthorized, unreachable      -> kill the runner, fail the invocation
///         unreadable                     -> kill the runner, and close the job
///         canceled_since_ms              -> give the runner some time, then terminate it
///     the margin before the deadline begins:
///         broker_drop_request();
///         with a job: broker_hold_final(line, reason), SIGTERM, and SIGKILL in the end
///     the runner is gone:
///         until broker_stop_asking(): wait for the event (broker_drop_request() at the margin)
///         job_arrived and not finished   -> broker_close_job(line, reason)
///     broker_snapshot; broker_stop
///
/// What a job script sends to the port is held to the same rules as what the runner sends.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/job_session.h"
#include "bootstrap/credentials/runner_token.h"
#include "bootstrap/gitlab/gitlab.h"
#include "bootstrap/gitlab/job.h"
#include "common/error.h"

/// Where the AWS SDKs get the session of the job role.
static const char BROKER_CREDENTIALS_PATH[] = "/credentials";

struct broker_options {
    /// Borrowed for the broker's life.
    struct gitlab *gitlab;
    /// Borrowed for the broker's life.
    struct token_source *token;
    /// What the job may ask for at BROKER_CREDENTIALS_PATH; borrowed. NULL: nothing.
    struct job_session *session;
    /// Called with the job before the runner, and so the job's script, has any of it; NULL: nobody.
    void (*arrived)(void *context, const struct job *job);
    void *arrived_context;
    /// As from system_id_derive(); copied.
    const char *system_id;
    /// RUNLET_WAIT_TIMEOUT: without any good answer for this and 30 s more, GitLab is unreachable.
    int64_t wait_timeout_ms;
    /// Unix epoch: when the margin before the deadline begins. What is waited for within the broker
    /// ends then, or a little earlier.
    int64_t margin_begins_ms;
};

struct broker;
#define cleanup_broker __attribute__((cleanup(broker_stopp)))

/// Reads the token if it was not read yet, and listens. NULL on failure (codes
/// "Runtime.TokenUnavailable", "system").
struct broker *broker_start(const struct broker_options *options, struct error *err);
/// Gives up all that is under way, closes all connections and ends all threads; takes no longer
/// than a second. NULL is fine.
void broker_stop(struct broker *broker);
/// For cleanup_broker.
void broker_stopp(struct broker **broker);

/// The port on 127.0.0.1.
uint16_t broker_port(const struct broker *broker);
/// The token for gitlab-runner, of no use but with this broker; valid as long as the broker.
const char *broker_placeholder(const struct broker *broker);

/// What a job shows at BROKER_CREDENTIALS_PATH, of no use but there; valid as long as the broker.
struct slice broker_credentials_token(const struct broker *broker);

/// The job, as far as the protocol told. Texts are valid as long as the broker.
struct broker_job {
    int64_t id;
    int64_t project_id;
    const char *name;
    /// "running", and once it is finished: "success", "failed", "canceled".
    const char *state;
    /// As GitLab was told; NULL where there is none.
    const char *failure_reason;
    /// 0 for a success; for a failed job what the runner sent.
    bool has_exit_code;
    int64_t exit_code;
    /// GitLab knows the failure reason "runner_interrupted".
    bool knows_interruption;
    int64_t queued_ms;
    /// From its arrival to its final state, or until now.
    int64_t duration_ms;
};

struct broker_status {
    /// A job request is with GitLab, which may hand out a job on it.
    bool request_in_flight;
    /// Unix epoch; when the runner asked for a job first, 0: not yet.
    int64_t waiting_since_ms;
    /// Unix epoch; when GitLab last answered a job request as it should, 0: never.
    int64_t last_good_ms;
    /// GitLab does not take the runner token, read anew included. `failure` says what it said.
    bool unauthorized;
    /// No good answer in the time for it, or a certificate that is not trusted. `failure` says why.
    bool unreachable;
    /// The job that has arrived cannot be read, and the runner has not got it: all that is left is
    /// to fail it. `failure` says why.
    bool unreadable;
    /// Codes "Function.RunnerUnauthorized", "Function.GitLabUnreachable", and for a job that is
    /// unreadable any.
    struct error failure;

    bool job_arrived;
    /// Zeroed before it has arrived.
    struct broker_job job;
    /// Unix epoch; when it was first seen that the job is canceled in GitLab (or is being canceled:
    /// `canceling`, while after_script may still run), 0: it is not.
    int64_t canceled_since_ms;
    bool canceling;
    /// GitLab has the job's final state: it took one, or has ended the job by itself.
    bool finished;
};

/// Readable after a change of what broker_snapshot() tells, until that is called.
int broker_event_fd(const struct broker *broker);
void broker_snapshot(struct broker *broker, struct broker_status *status);

/// The margin begins: a request in flight is given up, with a warning in the log, and no further
/// one is sent. If there was no good answer at all, but trouble or more than the time for it, the
/// status is unreachable from now on.
void broker_drop_request(struct broker *broker);

/// The runner is gone: sends no further job request. If all that were sent failed, the status is
/// unreachable from now on. False where one is with GitLab right now, which may bring a job;
/// broker_drop_request() gives it up.
bool broker_stop_asking(struct broker *broker);

/// From now on the runner's own final update, if it says that the job failed, waits until `line`
/// (copied; no line end needed) stands at the end of the trace, after all that the runner sent, and
/// goes on with `failure_reason` (static) in the place of its own end's: job_update_explain(). A
/// later call takes the place of an earlier one, and NULL for the line takes that back; only one
/// line comes into the trace.
void broker_hold_final(struct broker *broker, const char *line, const char *failure_reason);

/// The runner is gone without a final state: appends `line` (may be NULL) to the trace, after what
/// the runner sent, and sets the job failed. Calls for the job are refused from then on. Trouble is
/// retried until `until_ms` (Unix epoch). True if GitLab has a final state of the job, also if it
/// had one before. Nothing to do, and true, where there is no job.
bool broker_close_job(struct broker *broker, const char *line, const char *failure_reason,
                      int64_t until_ms, struct error *err);
