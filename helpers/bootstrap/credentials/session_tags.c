// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/session_tags.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/digest.h"

/// Nobody else tags roles with it: for a tag that a session lacks IAM takes the role's.
#define PREFIX "runlet:"
#define HASH_MARK ":sha256:"
/// Characters of a tag's value. Letters that are not ASCII are allowed by STS, but hashed here: who
/// writes them into a trust policy may spell them in more than one way.
#define PLAIN                                                                                      \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"                               \
    " _.:/=+-@"
enum { LONGEST_VALUE = 256 };
/// Of a value that is hashed: all tags of a session share a few hundred bytes.
enum { LONGEST_KEPT = 32 };

// --- Names ---------------------------------------------------------------------------------------

char *session_name_of(const struct job_identity *identity) {
    return xasprintf("runlet-%" PRId64 "-%" PRId64, identity->project_id, identity->job_id);
}

char *source_identity_of(const struct job_identity *identity) {
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

/// The value as a tag can hold it: as it is, or where it is too long or has a character that tags
/// do not have, how it begins (up to that character), ":sha256:" and its hash. So two values never
/// become one tag, and a tag matches "release_*" only where the value does. Neither a path nor a
/// ref can have a colon of its own; whatever has ":sha256:" in it is hashed as well.
static char *tag_value(const char *value) {
    const size_t length = strlen(value);
    const size_t plain = strspn(value, PLAIN);
    if (plain == length && length <= LONGEST_VALUE && !strstr(value, HASH_MARK)) {
        return xstrdup(value);
    }
    char hash[DIGEST_HEX_SIZE];
    digest_text_hex(slice_text(value), hash);
    const size_t kept = plain < LONGEST_KEPT ? plain : LONGEST_KEPT;
    return xasprintf("%.*s" HASH_MARK "%s", (int)kept, value, hash);
}

/// Nothing where it is empty; `key` is a constant.
static void add_tag(struct session_tags *tags, const char *key, const char *value) {
    if (!value || !*value || tags->count == SESSION_MOST_TAGS) {
        return;
    }
    tags->tags[tags->count] = (struct sts_tag){.key = key, .value = tag_value(value)};
    tags->keys[tags->count++] = key;
}

static void add_number(struct session_tags *tags, const char *key, int64_t number) {
    if (number > 0) {
        cleanup_free char *text = xasprintf("%" PRId64, number);
        add_tag(tags, key, text);
    }
}

void session_tags_add_identity(struct session_tags *tags, const struct job_identity *identity) {
    add_number(tags, PREFIX "project_id", identity->project_id);
    add_tag(tags, PREFIX "project_path", identity->project_path);
    add_tag(tags, PREFIX "ref", identity->ref);
    add_tag(tags, PREFIX "ref_type", identity->ref_type);
    add_tag(tags, PREFIX "protected", identity->protected_ref ? "true" : "false");
    add_number(tags, PREFIX "job_id", identity->job_id);
    add_number(tags, PREFIX "pipeline_id", identity->pipeline_id);
    add_number(tags, PREFIX "user_id", identity->user_id);
}

void session_tags_add_claims(struct session_tags *tags, const struct id_token_claims *claims) {
    add_tag(tags, PREFIX "pipeline_source", claims->pipeline_source);
    add_tag(tags, PREFIX "environment", claims->environment);
    add_tag(tags, PREFIX "user_login", claims->user_login);
}

void session_tags_clean_up(struct session_tags *tags) {
    for (size_t i = 0; i < tags->count; i++) {
        free((char *)(uintptr_t)tags->tags[i].value);
    }
    *tags = (struct session_tags){0};
}
