// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/job_identity.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"

#define HASH_MARK ":sha256:"
/// Characters of a tag's value. Letters that are not ASCII are allowed by STS, but hashed here: who
/// writes them into a trust policy may spell them in more than one way.
#define PLAIN                                                                                      \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"                               \
    " _.:/=+-@"
enum { LONGEST_VALUE = 256 };
/// Of a value that is hashed: all tags of a session share a few hundred bytes.
enum { LONGEST_KEPT = 32 };

// --- What GitLab says --------------------------------------------------------------------------

static int64_t read_id(const struct json *object, const char *key) {
    struct error not_sent;
    int64_t id = 0;
    return json_get_integer(object, key, &id, &not_sent) && id > 0 ? id : 0;
}

static char *read_text(const struct json *object, const char *key) {
    struct error not_sent;
    struct slice text;
    return json_get_string(object, key, &text, &not_sent) && text.len > 0 ? slice_copy(text) : NULL;
}

void job_identity_read(const struct json *answer, struct job_identity *identity) {
    struct error not_sent;
    struct json job_info;
    struct json git_info;
    identity->job_id = read_id(answer, "id");
    if (json_get_object(answer, "job_info", &job_info, &not_sent)) {
        identity->project_id = read_id(&job_info, "project_id");
        identity->pipeline_id = read_id(&job_info, "pipeline_id");
        identity->user_id = read_id(&job_info, "user_id");
        identity->project_path = read_text(&job_info, "project_full_path");
    }
    if (json_get_object(answer, "git_info", &git_info, &not_sent)) {
        identity->ref = read_text(&git_info, "ref");
        identity->ref_type = read_text(&git_info, "ref_type");
        bool protected_ref = false;
        identity->protected_ref =
            json_get_boolean(&git_info, "protected", &protected_ref, &not_sent) && protected_ref;
    }
}

void job_identity_clean_up(struct job_identity *identity) {
    free(identity->project_path);
    free(identity->ref);
    free(identity->ref_type);
    *identity = (struct job_identity){0};
}

// --- Names ---------------------------------------------------------------------------------------

char *job_identity_session_name(const struct job_identity *identity) {
    return xasprintf("runlet-%" PRId64 "-%" PRId64, identity->project_id, identity->job_id);
}

char *job_identity_source(const struct job_identity *identity) {
    char *source =
        xasprintf("project=%" PRId64 ",job=%" PRId64, identity->project_id, identity->job_id);
    // Numbers of any size fit into STS's 64 characters only without the third.
    if (identity->user_id > 0 && strlen(source) <= 64 - strlen(",user=") - 19) {
        char *longer = xasprintf("%s,user=%" PRId64, source, identity->user_id);
        free(source);
        return longer;
    }
    return source;
}

// --- Tags ----------------------------------------------------------------------------------------

char *job_tag_value(const char *value) {
    const size_t length = strlen(value);
    const size_t plain = strspn(value, PLAIN);
    if (plain == length && length <= LONGEST_VALUE && !strstr(value, HASH_MARK)) {
        return xstrdup(value);
    }
    char hash[SHA256_HEX_SIZE];
    encoding_sha256_hex(slice_text(value), hash);
    const size_t kept = plain < LONGEST_KEPT ? plain : LONGEST_KEPT;
    return xasprintf("%.*s" HASH_MARK "%s", (int)kept, value, hash);
}

void job_tags_add(struct job_tags *tags, const char *key, const char *value) {
    if (!value || !*value || tags->count == JOB_MOST_TAGS) {
        return;
    }
    tags->tags[tags->count] = (struct sts_tag){.key = key, .value = job_tag_value(value)};
    tags->keys[tags->count++] = key;
}

static void add_number(struct job_tags *tags, const char *key, int64_t number) {
    if (number > 0) {
        cleanup_free char *text = xasprintf("%" PRId64, number);
        job_tags_add(tags, key, text);
    }
}

void job_tags_of(const struct job_identity *identity, struct job_tags *tags) {
    add_number(tags, "project_id", identity->project_id);
    job_tags_add(tags, "project_path", identity->project_path);
    job_tags_add(tags, "ref", identity->ref);
    job_tags_add(tags, "ref_type", identity->ref_type);
    job_tags_add(tags, "protected", identity->protected_ref ? "true" : "false");
    add_number(tags, "job_id", identity->job_id);
    add_number(tags, "pipeline_id", identity->pipeline_id);
    add_number(tags, "user_id", identity->user_id);
}

void job_tags_clean_up(struct job_tags *tags) {
    for (size_t i = 0; i < tags->count; i++) {
        free((char *)(uintptr_t)tags->tags[i].value);
    }
    *tags = (struct job_tags){0};
}
