// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/job_session.h"

#include <pthread.h>
#include <stdlib.h>

#include "bootstrap/credentials/session_tags.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/timestamp.h"

enum {
    RENEW_BEFORE_MS = 5 * 60 * 1000,
    CALL_MS = 20000,
    FAILURE_HOLDS_MS = 3000,
};

struct job_session {
    struct job_session_options options;
    /// Held while the role is assumed, too: one thread asks, the others get what it was told.
    pthread_mutex_t lock;
    struct sts_session current;
    /// Of the job's id_token, verified once: it may be over before the session is renewed.
    struct id_token_claims claims;
    bool claimed;
    struct error failure;
    int64_t failed_until_ms;
};

struct job_session *job_session_new(const struct job_session_options *options) {
    struct job_session *session = xcalloc(1, sizeof(*session));
    session->options = *options;
    if (!session->options.clock) {
        session->options.clock = clock_system();
    }
    pthread_mutex_init(&session->lock, NULL);
    return session;
}

void job_session_destroyp(struct job_session **pointer) {
    struct job_session *session = *pointer;
    if (session) {
        sts_session_clean_up(&session->current);
        id_token_claims_clean_up(&session->claims);
        pthread_mutex_destroy(&session->lock);
        free(session);
        *pointer = NULL;
    }
}

// --- Role ----------------------------------------------------------------------------------------

int64_t job_session_seconds(struct clock *clock, int64_t deadline_ms) {
    const int64_t seconds = clock_left_ms(clock, deadline_ms) / 1000 + 1;
    if (seconds < STS_SHORTEST_SECONDS) {
        return STS_SHORTEST_SECONDS;
    }
    return seconds < STS_LONGEST_CHAINED_SECONDS ? seconds : STS_LONGEST_CHAINED_SECONDS;
}

/// What a person can do about it.
static void add_hint(const struct job_session_options *options, struct error *err) {
    if (error_is(err, "AccessDenied") || error_is(err, "AccessDeniedException")) {
        error_set(err, err->code,
                  "%s; the trust policy of %s must allow the function's role sts:AssumeRole%s, and "
                  "the function's own policy the same",
                  err->message, options->role_arn,
                  options->identity ? ", sts:TagSession and sts:SetSourceIdentity" : "");
    } else if (error_is(err, "PackedPolicyTooLarge")) {
        error_set(
            err, err->code,
            "%s; a session's tags share a few hundred bytes: shorten the names of the project, the "
            "ref or the environment, or set RUNLET_JOB_SESSION_IDENTITY to false",
            err->message);
    }
}

static void gather_tags(struct job_session *session, const struct job *job, int cancel_fd,
                        struct session_tags *tags) {
    session_tags_add_identity(tags, &job->identity);
    if (session->options.verifier && !session->claimed) {
        session->claimed =
            id_token_find(session->options.verifier, job, cancel_fd, &session->claims);
    }
    session_tags_add_claims(tags, &session->claims);
}

static bool assume(struct job_session *session, const struct job *job, int cancel_fd,
                   struct error *err) {
    const struct job_session_options *options = &session->options;
    cleanup_free char *name = session_name_of(&job->identity);
    cleanup_free char *source = source_identity_of(&job->identity);
    cleanup_session_tags struct session_tags tags = {0};
    struct sts_assume request = {
        .role_arn = options->role_arn,
        .session_name = name,
        .duration_seconds = job_session_seconds(options->clock, options->deadline_ms),
    };
    if (options->identity) {
        gather_tags(session, job, cancel_fd, &tags);
        request.source_identity = source;
        request.tags = tags.tags;
        request.tag_count = tags.count;
        request.transitive_keys = tags.keys;
        request.transitive_key_count = tags.count;
    }
    cleanup_function_aws_call struct function_aws_call call = {0};
    const int64_t until_ms = clock_now_ms(options->clock) + CALL_MS;
    struct sts_session fresh = {0};
    const bool begun = function_aws_begin(options->aws, cancel_fd, &call, err);
    request.credentials = call.credentials;
    if (!begun || !sts_assume_role(call.client, &request, until_ms, &fresh, err)) {
        sts_session_clean_up(&fresh);
        add_hint(options, err);
        return false;
    }
    sts_session_clean_up(&session->current);
    session->current = fresh;
    return true;
}

static bool is_good(const struct job_session *session) {
    int64_t ends_ms = session->current.credentials.expires_ms;
    int64_t now_ms = clock_now_ms(session->options.clock);
    return session->current.arn &&
           (ends_ms - now_ms > RENEW_BEFORE_MS || ends_ms >= session->options.deadline_ms);
}

/// With the lock held.
static bool ensure(struct job_session *session, const struct job *job, int cancel_fd,
                   struct error *err) {
    if (is_good(session)) {
        return true;
    }
    if (clock_now_ms(session->options.clock) < session->failed_until_ms) {
        *err = session->failure;
        return false;
    }
    if (assume(session, job, cancel_fd, err)) {
        log_info("the job has a session of its role", log_int("job", job->identity.job_id),
                 log_text("session", session->current.arn));
        return true;
    }
    log_error("the job gets no session of its role", log_int("job", job->identity.job_id),
              LOG_ERROR_FIELDS(err));
    session->failure = *err;
    session->failed_until_ms = clock_now_ms(session->options.clock) + FAILURE_HOLDS_MS;
    return false;
}

// --- Answer --------------------------------------------------------------------------------------

static bool print(const struct job_session *session, struct buffer *out, struct error *err) {
    const struct aws_credentials *credentials = &session->current.credentials;
    struct timestamp expires = timestamp_rfc3339_seconds(credentials->expires_ms);
    buffer_append_byte(out, '{');
    json_append_member(out, "AccessKeyId", slice_text(credentials->access_key));
    json_append_member(out, "SecretAccessKey", secret_expose(credentials->secret_key));
    json_append_member(out, "Token", secret_expose(credentials->session_token));
    json_append_member(out, "Expiration", slice_text(expires.text));
    json_append_member(out, "RoleArn", slice_text(session->options.role_arn));
    buffer_append_byte(out, '}');
    return buffer_check(out, "credentials", err);
}

bool job_session_print(struct job_session *session, const struct job *job, int cancel_fd,
                       struct buffer *out, struct error *err) {
    pthread_mutex_lock(&session->lock);
    bool good = ensure(session, job, cancel_fd, err) && print(session, out, err);
    pthread_mutex_unlock(&session->lock);
    return good;
}
