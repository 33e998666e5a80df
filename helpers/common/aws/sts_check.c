// SPDX-License-Identifier: Apache-2.0
/// The forms and limits of what STS takes, so that a mistake is named before anything is sent.
/// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#include <stdarg.h>

#include "common/aws/sts.h"
#include "common/byte.h"
#include "common/encoding.h"

enum {
    LEAST_ARN = 20,
    LONGEST_ARN = 2048,
    /// Of the policy and the policies' ARNs together.
    LONGEST_POLICY = 2048,
    MOST_POLICY_ARNS = 10,
    LONGEST_TAG_KEY = 128,
    LONGEST_TAG_VALUE = 256,
    LEAST_TOKEN = 4,
    LONGEST_TOKEN = 20000,
};

/// Fails with "form" and "<name>: <formatted>"
__attribute__((format(printf, 3, 4))) static bool bad(struct error *err, const char *name,
                                                      const char *format, ...) {
    char flaw[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(flaw, sizeof(flaw), format, arguments);
    va_end(arguments);
    return error_set(err, "form", "%s: %s", name, flaw);
}

static bool is_non_ascii(char byte) {
    return ((unsigned char)byte & 0x80U) != 0;
}

/// The number of characters; false where it is not valid UTF-8.
static bool count_characters(struct slice text, size_t *count) {
    for (*count = 0; text.len > 0; ++*count) {
        const size_t length = encoding_utf8_length(text);
        if (length == 0) {
            return false;
        }
        text = slice_skip(text, length);
    }
    return true;
}

/// Letters, digits, "_" and those in `more`, in a length within the limits. NULL passes.
static bool check_word(const char *name, const char *word, size_t least, size_t longest,
                       const char *more, struct error *err) {
    if (!word) {
        return true;
    }
    const size_t length = strlen(word);
    if (length < least || length > longest) {
        return bad(err, name, "%zu characters; it takes %zu to %zu", length, least, longest);
    }
    for (const char *c = word; *c != '\0'; c++) {
        if (*c != '_' && !slice_is_word(slice_make(c, 1), more)) {
            return bad(err, name, "\"%.100s\" has a character other than letters, digits and _%s",
                       word, more);
        }
    }
    return true;
}

/// "arn:<partition>:iam::<account>:<kind>/<name>"; for policies the account may be "aws".
static bool is_iam_arn(struct slice arn, struct slice kind, bool may_be_of_aws) {
    struct slice part[5];
    for (size_t i = 0; i < 5; i++) {
        if (!slice_split(&arn, ':', &part[i])) {
            return false;
        }
    }
    bool account = part[4].len == 12;
    for (size_t i = 0; account && i < part[4].len; i++) {
        account = part[4].data[i] >= '0' && part[4].data[i] <= '9';
    }
    account = account || (may_be_of_aws && slice_equal_text(part[4], "aws"));
    return slice_equal_text(part[0], "arn") && slice_starts_with(part[1], SLICE("aws")) &&
           slice_equal_text(part[2], "iam") && part[3].len == 0 && account &&
           slice_starts_with(arn, kind) && arn.len > kind.len;
}

static bool check_arn(const char *name, const char *arn, struct slice kind, bool may_be_of_aws,
                      struct error *err) {
    const size_t length = strlen(arn);
    if (length < LEAST_ARN || length > LONGEST_ARN || !slice_is_visible(slice_text(arn)) ||
        !is_iam_arn(slice_text(arn), kind, may_be_of_aws)) {
        return bad(err, name, "\"%.200s\" is not of the form arn:aws:iam::123456789012:%s%s", arn,
                   kind.data, "NAME");
    }
    return true;
}

static bool check_policies(const struct sts_assume *assume, struct error *err) {
    size_t total = 0;
    if (assume->policy_arn_count > MOST_POLICY_ARNS) {
        return bad(err, "policy ARNs", "%zu of them; STS takes %d at most",
                   assume->policy_arn_count, MOST_POLICY_ARNS);
    }
    for (size_t i = 0; i < assume->policy_arn_count; i++) {
        if (!check_arn("policy ARN", assume->policy_arns[i], SLICE("policy/"), true, err)) {
            return false;
        }
        total += strlen(assume->policy_arns[i]);
    }
    if (!assume->policy) {
        return true;
    }
    const struct slice policy = slice_text(assume->policy);
    size_t count = 0;
    if (policy.len == 0) {
        return bad(err, "policy", "it is empty");
    }
    if (!count_characters(policy, &count)) {
        return bad(err, "policy", "it is not valid UTF-8");
    }
    for (size_t i = 0; i < policy.len; i++) {
        const unsigned char byte = (unsigned char)policy.data[i];
        // The first byte of a character above U+00FF is above 0xc3.
        const bool blank = byte == '\t' || byte == '\n' || byte == '\r';
        if ((byte_is_control(policy.data[i]) && !blank) || byte > 0xc3) {
            return bad(err, "policy", "it has a character that STS does not take (byte %zu)", i);
        }
    }
    if (total + count > LONGEST_POLICY) {
        return bad(err, "policy", "%zu characters with the policy ARNs; STS takes %d at most",
                   total + count, LONGEST_POLICY);
    }
    return true;
}

/// STS takes letters, digits and blanks of any script, and "_.:/=+-@". Which characters beyond
/// ASCII are such is left to it.
static bool check_tag_text(const char *name, const char *text, size_t least, size_t longest,
                           struct error *err) {
    size_t count = 0;
    if (!count_characters(slice_text(text), &count)) {
        return bad(err, name, "it is not valid UTF-8");
    }
    if (count < least || count > longest) {
        return bad(err, name, "\"%.40s\" has %zu characters; it takes %zu to %zu", text, count,
                   least, longest);
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (!is_non_ascii(*c) && !slice_is_word(slice_make(c, 1), " _.:/=+-@")) {
            return bad(err, name,
                       "\"%.100s\" has a character other than letters, digits, blanks and "
                       "_.:/=+-@",
                       text);
        }
    }
    return true;
}

static bool same_key(const char *a, const char *b) {
    return slice_equal_ignoring_case(slice_text(a), slice_text(b));
}

static bool check_tags(const struct sts_assume *assume, struct error *err) {
    if (assume->tag_count > STS_MOST_TAGS) {
        return bad(err, "tags", "%zu of them; STS takes %d at most", assume->tag_count,
                   STS_MOST_TAGS);
    }
    for (size_t i = 0; i < assume->tag_count; i++) {
        const struct sts_tag *tag = &assume->tags[i];
        if (!check_tag_text("tag key", tag->key, 1, LONGEST_TAG_KEY, err) ||
            !check_tag_text("tag value", tag->value, 0, LONGEST_TAG_VALUE, err)) {
            return false;
        }
        if (slice_equal_ignoring_case(slice_make(tag->key, strnlen(tag->key, 4)), SLICE("aws:"))) {
            return bad(err, "tag key", "\"%.100s\": keys that begin with aws: are AWS's own",
                       tag->key);
        }
        for (size_t j = 0; j < i; j++) {
            if (same_key(tag->key, assume->tags[j].key)) {
                return bad(err, "tag key", "\"%.100s\" is given twice (STS ignores case)",
                           tag->key);
            }
        }
    }
    return true;
}

static bool check_transitive_keys(const struct sts_assume *assume, struct error *err) {
    if (assume->transitive_key_count > STS_MOST_TAGS) {
        return bad(err, "transitive tag keys", "%zu of them; STS takes %d at most",
                   assume->transitive_key_count, STS_MOST_TAGS);
    }
    for (size_t i = 0; i < assume->transitive_key_count; i++) {
        bool found = false;
        for (size_t j = 0; j < assume->tag_count; j++) {
            found = found || same_key(assume->transitive_keys[i], assume->tags[j].key);
        }
        if (!found) {
            return bad(err, "transitive tag key",
                       "\"%.100s\" is not among the tags' keys: give a tag of that key too",
                       assume->transitive_keys[i]);
        }
    }
    return true;
}

/// What an OIDC token's claims say, and the call has no place for.
static bool check_token(const struct sts_assume *assume, struct error *err) {
    if (!assume->web_identity_token) {
        return true;
    }
    const size_t length = secret_expose(assume->web_identity_token).len;
    if (length < LEAST_TOKEN || length > LONGEST_TOKEN) {
        return bad(err, "web identity token", "%zu characters; STS takes %d to %d", length,
                   LEAST_TOKEN, LONGEST_TOKEN);
    }
    const char *misplaced = assume->external_id       ? "external id"
                            : assume->tag_count > 0   ? "tags"
                            : assume->source_identity ? "source identity"
                                                      : NULL;
    return !misplaced || bad(err, misplaced,
                             "STS takes it from the claims of a web identity token: leave it out "
                             "here, or give it "
                             "at a next hop");
}

static bool check_duration(const struct sts_assume *assume, struct error *err) {
    const int64_t seconds = assume->duration_seconds;
    if (seconds != 0 && (seconds < STS_SHORTEST_SECONDS || seconds > STS_LONGEST_SECONDS)) {
        return bad(err, "duration", "%lld seconds; STS takes %d to %d", (long long)seconds,
                   STS_SHORTEST_SECONDS, STS_LONGEST_SECONDS);
    }
    return true;
}

bool sts_check(const struct sts_assume *assume, struct error *err) {
    if (!assume->role_arn) {
        return bad(err, "role ARN", "it is missing");
    }
    if (!assume->session_name) {
        return bad(err, "session name", "it is missing");
    }
    return check_arn("role ARN", assume->role_arn, SLICE("role/"), false, err) &&
           check_word("session name", assume->session_name, 2, 64, "+=,.@-", err) &&
           check_word("external id", assume->external_id, 2, 1224, "+=,.@:/-", err) &&
           check_word("source identity", assume->source_identity, 2, 64, "+=,.@-", err) &&
           check_duration(assume, err) && check_token(assume, err) && check_policies(assume, err) &&
           check_tags(assume, err) && check_transitive_keys(assume, err);
}
