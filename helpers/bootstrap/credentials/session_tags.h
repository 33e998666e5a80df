// SPDX-License-Identifier: Apache-2.0
/// How AWS is told of a job: the name, the source identity and the tags of its role's session.
///
/// Made of what GitLab vouches for alone (job_identity.h, id_token.h), and in the forms that STS
/// takes, whatever the values.
/// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#pragma once

#include <stddef.h>

#include "bootstrap/gitlab/id_token.h"
#include "bootstrap/gitlab/job_identity.h"
#include "common/aws/sts.h"

/// "runlet-7-41": a label of the session, by project and job. To be released with free().
char *session_name_of(const struct job_identity *identity) __attribute__((returns_nonnull));
/// "project=7,job=41,user=3": stays over all hops, and stands in CloudTrail. To be released with
/// free().
char *source_identity_of(const struct job_identity *identity) __attribute__((returns_nonnull));

enum { SESSION_MOST_TAGS = 16 };

/// Session tags, and their keys, all of which are transitive. Owns the values; keys are constants.
struct session_tags {
    struct sts_tag tags[SESSION_MOST_TAGS];
    const char *keys[SESSION_MOST_TAGS];
    size_t count;
};
#define cleanup_session_tags __attribute__((cleanup(session_tags_clean_up)))
void session_tags_clean_up(struct session_tags *tags);

/// Adds project_id, project_path, ref, ref_type, protected, job_id, pipeline_id, user_id, as far as
/// they are there, each with "runlet:" in front. A value that a tag cannot hold (over 256
/// characters, or with others than ASCII letters, digits, blanks and `_.:/=+-@`) is shortened and
/// ends with its hash: two values never become one tag, and a tag matches "release_*" only where
/// the value does.
void session_tags_add_identity(struct session_tags *tags, const struct job_identity *identity);
/// Adds pipeline_source, environment and user_login in the same way.
void session_tags_add_claims(struct session_tags *tags, const struct id_token_claims *claims);
