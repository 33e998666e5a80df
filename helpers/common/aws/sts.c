// SPDX-License-Identifier: Apache-2.0
/// The calls and their answers; what they take is checked in sts_check.c.
#include "common/aws/sts.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/json.h"
#include "common/timestamp.h"
#include "common/xml.h"

enum {
    /// A token of 20,000 characters, each of which may be three, and all that may stand beside it.
    LARGEST_STS_REQUEST = 512 * 1024,
    LARGEST_STS_ANSWER = 256 * 1024,
    LARGEST_PART = 64 * 1024,
};

void sts_session_clean_up(struct sts_session *session) {
    aws_credentials_clean_up(&session->credentials);
    free(session->arn);
    free(session->id);
    *session = (struct sts_session){0};
}

void sts_identity_clean_up(struct sts_identity *identity) {
    free(identity->account);
    free(identity->arn);
    free(identity->user_id);
    *identity = (struct sts_identity){0};
}

// --- The request ------------------------------------------------------------------------------

static void add_slice(struct buffer *body, const char *name, struct slice value) {
    buffer_appendf(body, "&%s=", name);
    encoding_append_percent(body, value, "");
}

static void add(struct buffer *body, const char *name, const char *value) {
    if (value) {
        add_slice(body, name, slice_text(value));
    }
}

/// "&<list>.member.<index><suffix>=<value>", counted from one.
static void add_member(struct buffer *body, const char *list, size_t index, const char *suffix,
                       const char *value) {
    buffer_appendf(body, "&%s.member.%zu%s=", list, index + 1, suffix);
    encoding_append_percent(body, slice_text(value), "");
}

static void make_body(struct buffer *body, const char *action, const struct sts_assume *assume) {
    buffer_appendf(body, "Action=%s&Version=2011-06-15", action);
    add(body, "RoleArn", assume->role_arn);
    add(body, "RoleSessionName", assume->session_name);
    add(body, "ExternalId", assume->external_id);
    if (assume->duration_seconds > 0) {
        buffer_appendf(body, "&DurationSeconds=%lld", (long long)assume->duration_seconds);
    }
    add(body, "Policy", assume->policy);
    for (size_t i = 0; i < assume->policy_arn_count; i++) {
        add_member(body, "PolicyArns", i, ".arn", assume->policy_arns[i]);
    }
    for (size_t i = 0; i < assume->tag_count; i++) {
        add_member(body, "Tags", i, ".Key", assume->tags[i].key);
        add_member(body, "Tags", i, ".Value", assume->tags[i].value);
    }
    for (size_t i = 0; i < assume->transitive_key_count; i++) {
        add_member(body, "TransitiveTagKeys", i, "", assume->transitive_keys[i]);
    }
    add(body, "SourceIdentity", assume->source_identity);
    if (assume->web_identity_token) {
        add_slice(body, "WebIdentityToken", secret_expose(assume->web_identity_token));
    }
}

// --- The answer -------------------------------------------------------------------------------

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/// XML, or JSON of the same names.
struct answer {
    const char *action;
    struct slice body;
    bool is_json;
    struct json_document document;
    /// The object that holds the sections.
    struct json result;
};

static void answer_clean_up(struct answer *answer) {
    json_document_clean_up(&answer->document);
}
#define cleanup_answer __attribute__((cleanup(answer_clean_up)))

/// Goes down to the member "<action><suffix>" where there is one.
static void unwrap(struct answer *answer, const char *suffix) {
    cleanup_buffer struct buffer name = BUFFER_INIT(100);
    struct json inner;
    struct error ignored;
    buffer_appendf(&name, "%s%s", answer->action, suffix);
    if (json_has(&answer->result, buffer_text(&name)) &&
        json_get_object(&answer->result, buffer_text(&name), &inner, &ignored)) {
        answer->result = inner;
    }
}

static bool answer_read(struct answer *answer, const char *action,
                        const struct http_response *response, struct error *err) {
    *answer = (struct answer){.action = action, .body = slice_trim(buffer_slice(&response->body))};
    if (slice_starts_with(answer->body, SLICE(BYTE_ORDER_MARK))) {
        answer->body = slice_trim(slice_skip(answer->body, strlen(BYTE_ORDER_MARK)));
    }
    if (slice_starts_with(answer->body, SLICE("<"))) {
        return true;
    }
    if (!json_parse(answer->body, action, &answer->document, err)) {
        return error_set(err, "answer", "sts %s: the answer is neither XML nor JSON", action);
    }
    answer->is_json = true;
    answer->result = answer->document.root;
    if (!json_as_object(&answer->result, err)) {
        return error_set(err, "answer", "sts %s: the answer is not a JSON object", action);
    }
    unwrap(answer, "Response");
    unwrap(answer, "Result");
    return true;
}

static bool lacks(const struct answer *answer, const char *name, struct error *err) {
    return error_set(err, "answer", "sts %s: the answer does not have %s", answer->action, name);
}

/// The member of a section (NULL: of the result itself); false where there is none.
static bool find_member(const struct answer *answer, const char *section, const char *name,
                        struct json *value) {
    struct json object = answer->result;
    struct error ignored;
    return (!section || json_get_object(&answer->result, section, &object, &ignored)) &&
           json_has(&object, name) && json_get(&object, name, value, &ignored);
}

/// Appends the text of a part; in XML its name alone finds it.
static bool find_text(const struct answer *answer, const char *section, const char *name,
                      struct buffer *out) {
    struct error ignored;
    if (!answer->is_json) {
        return xml_element_text(answer->body, name, out, &ignored);
    }
    struct json value;
    struct slice text;
    return find_member(answer, section, name, &value) && json_as_string(&value, &text, &ignored) &&
           buffer_append(out, text);
}

/// Text that holds no blanks, but may have been wrapped over lines on its way: without them.
static void remove_blanks(struct buffer *text) {
    size_t kept = 0;
    for (size_t i = 0; i < text->len; i++) {
        const char byte = text->data[i];
        if (byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n') {
            text->data[kept++] = byte;
        }
    }
    buffer_truncate(text, kept);
}

static bool take_text(const struct answer *answer, const char *section, const char *name,
                      struct buffer *out, struct error *err) {
    buffer_reset(out);
    if (!find_text(answer, section, name, out)) {
        return lacks(answer, name, err);
    }
    remove_blanks(out);
    return (out->len > 0 && slice_is_visible(buffer_slice(out))) || lacks(answer, name, err);
}

static bool take_copy(const struct answer *answer, const char *section, const char *name,
                      char **copy, struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(LARGEST_PART);
    if (!take_text(answer, section, name, &text, err)) {
        return false;
    }
    *copy = slice_copy(buffer_slice(&text));
    return true;
}

/// Who the session is: not needed to use it, and left out by some stand-ins; then it is empty.
static char *take_name(const struct answer *answer, const char *name) {
    cleanup_buffer struct buffer text = BUFFER_INIT(LARGEST_PART);
    struct error ignored;
    const bool found = take_text(answer, "AssumedRoleUser", name, &text, &ignored);
    return slice_copy(found ? buffer_slice(&text) : slice_text(""));
}

static bool take_secret(const struct answer *answer, const char *name, struct secret **secret,
                        struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_PART);
    if (!take_text(answer, "Credentials", name, &text, err)) {
        return false;
    }
    *secret = secret_take(&text);
    return true;
}

/// A timestamp; in JSON also the epoch's seconds, as a number.
static bool take_expiration(const struct answer *answer, int64_t *expires_ms, struct error *err) {
    struct json value;
    if (answer->is_json && find_member(answer, "Credentials", "Expiration", &value) &&
        cJSON_IsNumber(value.node)) {
        const double seconds = value.node->valuedouble;
        // To the year 9999.
        if (!(seconds > 0 && seconds < 253402300800.0)) {
            return lacks(answer, "Expiration", err);
        }
        *expires_ms = (int64_t)(seconds * 1000);
        return true;
    }
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    if (!take_text(answer, "Credentials", "Expiration", &text, err)) {
        return false;
    }
    if (!timestamp_parse(buffer_slice(&text), expires_ms) || *expires_ms <= 0) {
        return error_set(err, "answer", "sts %s: the answer's Expiration is not a time: \"%.40s\"",
                         answer->action, buffer_text(&text));
    }
    return true;
}

// --- The calls --------------------------------------------------------------------------------

static bool call(struct aws_client *client, const char *action, const struct sts_assume *assume,
                 int64_t deadline_ms, struct answer *answer, struct http_response *response,
                 struct error *err) {
    static const char *const repeated[] = {"IDPCommunicationError", NULL};
    cleanup_buffer struct buffer body = BUFFER_INIT_SENSITIVE(LARGEST_STS_REQUEST);
    make_body(&body, action, assume);
    const struct aws_request request = {
        .service = "sts",
        .endpoint_id = "STS",
        .protocol = AWS_QUERY,
        .body = buffer_slice(&body),
        .credentials = assume->web_identity_token ? NULL : assume->credentials,
        .secret = assume->web_identity_token,
        .retryable_codes = repeated,
    };
    http_response_init(response, LARGEST_STS_ANSWER);
    response->body.sensitive = true;
    return buffer_check(&body, "request to STS", err) &&
           aws_call(client, &request, response, deadline_ms, err) &&
           answer_read(answer, action, response, err);
}

bool sts_assume_role(struct aws_client *client, const struct sts_assume *assume,
                     int64_t deadline_ms, struct sts_session *session, struct error *err) {
    *session = (struct sts_session){0};
    const char *action = assume->web_identity_token ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    struct aws_credentials *credentials = &session->credentials;
    cleanup_http_response struct http_response response = {0};
    cleanup_answer struct answer answer = {0};
    const bool good =
        sts_check(assume, err) &&
        call(client, action, assume, deadline_ms, &answer, &response, err) &&
        take_copy(&answer, "Credentials", "AccessKeyId", &credentials->access_key, err) &&
        take_secret(&answer, "SecretAccessKey", &credentials->secret_key, err) &&
        take_secret(&answer, "SessionToken", &credentials->session_token, err) &&
        take_expiration(&answer, &credentials->expires_ms, err);
    if (good) {
        session->arn = take_name(&answer, "Arn");
        session->id = take_name(&answer, "AssumedRoleId");
    }
    return good;
}

bool sts_get_caller_identity(struct aws_client *client, const struct aws_credentials *credentials,
                             int64_t deadline_ms, struct sts_identity *identity,
                             struct error *err) {
    *identity = (struct sts_identity){0};
    const struct sts_assume nothing = {.credentials = credentials};
    cleanup_http_response struct http_response response = {0};
    cleanup_answer struct answer answer = {0};
    return call(client, "GetCallerIdentity", &nothing, deadline_ms, &answer, &response, err) &&
           take_copy(&answer, NULL, "Account", &identity->account, err) &&
           take_copy(&answer, NULL, "Arn", &identity->arn, err) &&
           take_copy(&answer, NULL, "UserId", &identity->user_id, err);
}
