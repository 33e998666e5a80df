// SPDX-License-Identifier: Apache-2.0
/// The forms and limits of STS's parameters, so that a mistake is named before anything is sent.
/// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#include <ctype.h>

#include "common/encoding.h"
#include "common/sts.h"

#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

/// A text parameter: its lengths, and the characters it may have beside letters, digits and "_".
struct rule {
    const char *name;
    size_t min;
    size_t max;
    const char *others;
};

static bool bad(struct error *err, const char *name, const char *flaw) {
    return error_set(err, "form", "%s %s", name, flaw);
}

static bool check_text(const char *value, const struct rule *rule, struct error *err) {
    if (value == NULL) {
        return true;
    }
    const size_t length = strlen(value);
    if (length < rule->min || length > rule->max) {
        return error_set(err, "form", "%s has %zu characters; STS takes %zu to %zu", rule->name,
                         length, rule->min, rule->max);
    }
    for (const char *c = value; *c != '\0'; c++) {
        if (strchr(WORD_CHARACTERS, *c) == NULL && strchr(rule->others, *c) == NULL) {
            return error_set(err, "form",
                             "%s \"%s\" has a character that STS does not take; letters, digits "
                             "and _%s are fine",
                             rule->name, value, rule->others);
        }
    }
    return true;
}

static bool check_arn(const char *arn, const char *name, const char *kind, struct error *err) {
    struct slice rest = slice_text(arn);
    struct slice part[6];
    size_t count = 0;
    while (count < 5 && slice_split(&rest, ':', &part[count])) {
        count++;
    }
    const bool good = count == 5 && slice_equal_text(part[0], "arn") &&
                      slice_starts_with(part[1], SLICE("aws")) &&
                      slice_equal_text(part[2], "iam") && part[3].len == 0 &&
                      slice_starts_with(rest, slice_text(kind)) && rest.len > strlen(kind) &&
                      strlen(arn) >= 20 && strlen(arn) <= 2048;
    for (const char *c = arn; good && *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return error_set(err, "form", "%s has a blank or a control character", name);
        }
    }
    return good ||
           error_set(err, "form", "%s \"%s\" is no ARN as in arn:aws:iam::123456789012:%sNAME",
                     name, arn, kind);
}

static bool check_policies(const struct sts_assume *assume, struct error *err) {
    if (assume->policy != NULL) {
        const size_t length = strlen(assume->policy);
        if (length < 1 || length > 2048) {
            return error_set(err, "form", "policy has %zu characters; STS takes 1 to 2048", length);
        }
    }
    if (assume->policy_arn_count > 10) {
        return error_set(err, "form", "policy-arns names %zu policies; STS takes 10",
                         assume->policy_arn_count);
    }
    for (size_t i = 0; i < assume->policy_arn_count; i++) {
        if (!check_arn(assume->policy_arns[i], "policy-arns", "policy/", err)) {
            return false;
        }
    }
    return true;
}

/// The number of characters, or SIZE_MAX where it is no UTF-8 or has one that tags may not have.
/// Letters of all scripts are fine, and what is not ASCII is left to STS to judge.
static size_t tag_length(const char *text) {
    size_t count = 0;
    struct slice rest = slice_text(text);
    while (rest.len > 0) {
        const size_t length = encoding_utf8_length(rest);
        const char first = rest.data[0];
        if (length == 0 || (length == 1 && isalnum((unsigned char)first) == 0 &&
                            strchr(" _.:/=+-@", first) == NULL)) {
            return SIZE_MAX;
        }
        rest = slice_skip(rest, length);
        count++;
    }
    return count;
}

static bool check_tag(const struct sts_tag *tag, struct error *err) {
    const size_t key = tag_length(tag->key);
    const size_t value = tag_length(tag->value);
    if (key == SIZE_MAX || value == SIZE_MAX) {
        return error_set(err, "form",
                         "tags: \"%s\" has a character that STS does not take; letters, digits, "
                         "blanks and _.:/=+-@ are fine",
                         tag->key);
    }
    if (key < 1 || key > 128 || value > 256) {
        return error_set(err, "form",
                         "tags: \"%s\" is too long; STS takes keys of 1 to 128 and values of at "
                         "most 256 characters",
                         tag->key);
    }
    return true;
}

static bool check_tags(const struct sts_assume *assume, struct error *err) {
    if (assume->tag_count > STS_MOST_TAGS || assume->transitive_key_count > STS_MOST_TAGS) {
        return bad(err, "tags", "are more than the 50 that STS takes");
    }
    for (size_t i = 0; i < assume->tag_count; i++) {
        if (!check_tag(&assume->tags[i], err)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            // IAM's keys differ in more than case.
            if (slice_equal_ignoring_case(slice_text(assume->tags[i].key),
                                          slice_text(assume->tags[j].key))) {
                return error_set(err, "form", "tags: \"%s\" is there twice", assume->tags[i].key);
            }
        }
    }
    for (size_t i = 0; i < assume->transitive_key_count; i++) {
        const size_t length = tag_length(assume->transitive_keys[i]);
        if (length < 1 || length > 128) {
            return error_set(err, "form", "transitive-tag-keys: \"%s\" is no key of a tag",
                             assume->transitive_keys[i]);
        }
    }
    return true;
}

/// What AssumeRoleWithWebIdentity has no parameter for.
static bool check_token(const struct sts_assume *assume, struct error *err) {
    if (assume->web_identity_token == NULL) {
        return true;
    }
    const size_t length = secret_expose(assume->web_identity_token).len;
    if (length < 4 || length > 20000) {
        return error_set(err, "form",
                         "the web identity token has %zu characters; STS takes 4 to "
                         "20000",
                         length);
    }
    const char *const name = assume->external_id != NULL        ? "external-id"
                             : assume->tag_count > 0            ? "tags"
                             : assume->transitive_key_count > 0 ? "transitive-tag-keys"
                             : assume->source_identity != NULL  ? "source-identity"
                                                                : NULL;
    return name == NULL ||
           bad(err, name,
               "does not go with a web identity token: what STS shall know of the "
               "caller are claims of the token, and its role's trust policy checks them");
}

bool sts_check(const struct sts_assume *assume, struct error *err) {
    static const struct rule session_name = {"role-session-name", 2, 64, "=,.@+-"};
    static const struct rule external_id = {"external-id", 2, 1224, "=,.@:/+-"};
    static const struct rule source_identity = {"source-identity", 2, 64, "=,.@+-"};
    if (assume->role_arn == NULL || assume->session_name == NULL) {
        return bad(err, assume->role_arn == NULL ? "role-arn" : "role-session-name", "is missing");
    }
    const int64_t seconds = assume->duration_seconds;
    if (seconds != 0 && (seconds < STS_SHORTEST_SECONDS || seconds > STS_LONGEST_SECONDS)) {
        return error_set(err, "form", "duration-seconds is %lld; STS takes %d to %d",
                         (long long)seconds, STS_SHORTEST_SECONDS, STS_LONGEST_SECONDS);
    }
    return check_arn(assume->role_arn, "role-arn", "role/", err) &&
           check_text(assume->session_name, &session_name, err) &&
           check_text(assume->external_id, &external_id, err) &&
           check_text(assume->source_identity, &source_identity, err) &&
           check_policies(assume, err) && check_tags(assume, err) && check_token(assume, err);
}
