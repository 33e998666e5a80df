// SPDX-License-Identifier: Apache-2.0
/// What the runner's protocol says about a job: the answer that hands it out, and the bodies of the
/// requests that the broker reads and changes. No I/O.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bootstrap/gitlab/job_identity.h"
#include "bootstrap/gitlab/job_tokens.h"
#include "bootstrap/gitlab/trace.h"
#include "common/buffer.h"
#include "common/error.h"
#include "common/secret.h"
#include "common/slice.h"
#include "common/system/digest.h"

/// The largest answer that hands out a job: GitLab allows 8,000 variables for a project and 30,000
/// for a group, of 10,000 characters each. It is kept as it came, and read a piece at a time, so
/// that memory does not grow with the number of its values.
static const size_t JOB_LARGEST_ANSWER = (size_t)32 << 20;

/// A job whose artifacts this one may download, by its own token or this job's.
struct job_dependency {
    int64_t id;
    /// The SHA-256 of its token, which is compared only: of thousands of dependencies each token in
    /// a secret of its own would take a page. All zero, which no token has, where GitLab sent none.
    unsigned char token_hash[DIGEST_SIZE];
};

/// A job as GitLab handed it out; does not change.
struct job {
    /// Its job_id is there, and the project_id of a job that could be read.
    struct job_identity identity;
    /// "" where there is none that is a text.
    char *name;
    struct job_tokens tokens;
    struct secret *token;
    int64_t queued_ms;
    struct job_dependency *dependencies;
    size_t dependency_count;
    /// GitLab knows the failure reason "runner_interrupted": `features.failure_reasons` has it.
    bool knows_interruption;
};

/// Reads the body of a job answer: what is there of it, in the case of one that was cut or is
/// broken.
/// `*readable` tells whether it is whole; where it is not, `err` (code "json") says why, and the
/// job is good for no more than to be failed. What gitlab-runner makes something of and we do not
/// (\u0000, half a surrogate pair) is left out. NULL, with an error, where there is no id or no
/// token.
struct job *job_parse(struct slice answer, bool *readable, struct error *err);
void job_destroy(struct job *job);

/// Tells whether `token` is this job's.
bool job_has_token(const struct job *job, struct slice token);
/// Tells whether the artifacts of job `id` may be downloaded with `token`.
bool job_may_download(const struct job *job, int64_t id, struct slice token);

/// Appends the body of a job request for GitLab: that of the runner, with the real token and the
/// system_id put in, and without last_update where `drop_last_update`. Refuses (code "json") what
/// is no object with a string `token`, and (code "forbidden") another token than `placeholder`.
bool job_request_rewrite(struct slice body, const char *placeholder, const struct secret *token,
                         const char *system_id, bool drop_last_update, struct buffer *out,
                         struct error *err);

/// What an update (PUT /jobs/:id) says.
struct job_update {
    /// Borrowed from nothing: "running", "success", "failed", or "" for another one.
    const char *state;
    bool final;
    /// Owned; NULL where not sent.
    char *failure_reason;
    bool has_exit_code;
    int64_t exit_code;
    /// The body's `token`; NULL where not sent.
    struct secret *token;
};
#define cleanup_job_update __attribute__((cleanup(job_update_clean_up)))
/// Reads the body of an update into the zeroed `update`.
bool job_update_parse(struct slice body, struct job_update *update, struct error *err);
void job_update_clean_up(struct job_update *update);

/// Replaces the failure reason by `reason` where the runner gave none, or one that stands for its
/// own end: "runner_system_failure", or of newer ones "runner_interrupted", and "unknown_failure"
/// where GitLab does not know that.
void job_update_explain(struct job_update *update, const char *reason);

/// Appends an update's body as job_update_parse() understood it: with the failure reason of
/// `update`, and of equal names with the first alone, of which GitLab would take the last. With
/// `trace` what it says about the trace (`output`, `checksum`) is made to fit it, or left out where
/// that is not known or was not there; NULL: it stays.
bool job_update_rewrite(struct slice body, const struct job_update *update,
                        const struct job_trace *trace, struct buffer *out, struct error *err);

/// Appends the body of an update of our own. `failure_reason` may be NULL; with `trace` it says its
/// checksum and size.
void job_update_compose(const struct job *job, const char *state, const char *failure_reason,
                        const struct job_trace *trace, struct buffer *out);
