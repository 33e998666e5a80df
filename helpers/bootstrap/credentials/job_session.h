// SPDX-License-Identifier: Apache-2.0
/// The session of the job role that a job may use: assumed when the job first asks for it.
///
/// One for each job; may be used from several threads. The function's own keys sign the call and
/// go nowhere else.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/function_aws.h"
#include "bootstrap/gitlab/id_token.h"
#include "bootstrap/gitlab/job.h"
#include "common/buffer.h"
#include "common/clock.h"
#include "common/error.h"

struct job_session_options {
    /// What signs the calls; borrowed.
    struct function_aws *aws;
    /// RUNLET_JOB_ROLE_ARN; borrowed.
    const char *role_arn;
    /// RUNLET_JOB_SESSION_IDENTITY: the session has tags and a source identity.
    bool identity;
    /// What the job's own id_token says goes into the tags; borrowed. NULL: it is not looked at.
    struct id_token_verifier *verifier;
    /// NULL: the system's.
    struct clock *clock;
    /// Lambda's: a session is for the time that is left, 900 s at least, 3,600 s at most.
    int64_t deadline_ms;
};

struct job_session;
#define cleanup_job_session __attribute__((cleanup(job_session_destroyp)))

struct job_session *job_session_new(const struct job_session_options *options)
    __attribute__((returns_nonnull));
/// Wipes the keys.
void job_session_destroyp(struct job_session **session);

/// Appends what an SDK reads from a container's credentials endpoint: AccessKeyId,
/// SecretAccessKey, Token, Expiration, RoleArn. Assumes the role where there is no session yet, or
/// where the one there is ends within five minutes and before the function does. Fails as
/// sts_assume_role() does, with a hint; a failure is remembered for some seconds, so that a job
/// that asks again and again does not get STS to throttle the account. Fails with "canceled" as
/// soon as `cancel_fd` is readable (0: none). Source:
/// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
bool job_session_print(struct job_session *session, const struct job *job, int cancel_fd,
                       struct buffer *out, struct error *err);

/// How long a session is for the time that is left, in seconds.
int64_t job_session_seconds(struct clock *clock, int64_t deadline_ms);
