// SPDX-License-Identifier: Apache-2.0
/// Who a job is, and how AWS is told.
///
/// Only what GitLab itself vouches for counts: `id`, `job_info` and `git_info` of its answer. A
/// job's variables are never looked at: a project, a trigger or a person may set any of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/sts.h"
#include "common/json.h"

/// What is not sent is 0 or NULL, and never guessed.
struct job_identity {
    int64_t job_id;
    int64_t project_id;
    int64_t pipeline_id;
    int64_t user_id;
    char *project_path;
    char *ref;
    /// "branch" or "tag"
    char *ref_type;
    /// git_info.protected is true. An older GitLab that does not say so: false.
    bool protected_ref;
};

/// Reads it from GitLab's answer to a job request into the zeroed `identity`.
void job_identity_read(const struct json *answer, struct job_identity *identity);
void job_identity_clean_up(struct job_identity *identity);

/// "runlet-7-41": a label of the session, by project and job. To be released with free().
char *job_identity_session_name(const struct job_identity *identity)
    __attribute__((returns_nonnull));
/// "project=7,job=41,user=3": stays over all hops, and stands in CloudTrail. To be released with
/// free().
char *job_identity_source(const struct job_identity *identity) __attribute__((returns_nonnull));

enum { JOB_MOST_TAGS = 16 };

/// Session tags, and their keys, all of which are transitive. Owns the values; keys are constants.
struct job_tags {
    struct sts_tag tags[JOB_MOST_TAGS];
    const char *keys[JOB_MOST_TAGS];
    size_t count;
};
#define cleanup_job_tags __attribute__((cleanup(job_tags_clean_up)))

/// The tags of an identity, into the zeroed `tags`: project_id, project_path, ref, ref_type,
/// protected, job_id, pipeline_id, user_id.
void job_tags_of(const struct job_identity *identity, struct job_tags *tags);
/// Adds one more: `key` is a constant, `value` goes through job_tag_value(). Nothing where it is
/// empty.
void job_tags_add(struct job_tags *tags, const char *key, const char *value);
void job_tags_clean_up(struct job_tags *tags);

/// The value as a tag can hold it: as it is, or where it is too long or has a character that tags
/// do not have, how it begins (up to that character), ":sha256:" and its hash. So two values never
/// become one tag, and a tag matches "release_*" only where the value does. Neither a path nor a
/// ref can have a colon of its own; whatever has ":sha256:" in it is hashed as well. To be released
/// with free().
char *job_tag_value(const char *value) __attribute__((returns_nonnull));
