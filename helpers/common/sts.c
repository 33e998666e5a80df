// SPDX-License-Identifier: Apache-2.0
#include "common/sts.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/json.h"
#include "common/timestamp.h"
#include "common/xml.h"

/// Tags, policies and a token, each byte of which may become three.
#define LARGEST_REQUEST ((size_t)256 << 10)
#define LARGEST_ANSWER ((size_t)64 << 10)
#define LARGEST_PART ((size_t)16 << 10)

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

static void append_parameter(struct buffer *body, const char *name, struct slice value) {
    buffer_appendf(body, "&%s=", name);
    encoding_append_percent(body, value, "");
}

static void append_optional(struct buffer *body, const char *name, const char *value) {
    if (value != NULL) {
        append_parameter(body, name, slice_text(value));
    }
}

/// "TransitiveTagKeys.member.3", "Tags.member.1.Key": members are counted from 1.
static void append_member(struct buffer *body, const char *list, size_t index, const char *field,
                          const char *value) {
    buffer_appendf(body, "&%s.member.%zu%s=", list, index + 1, field);
    encoding_append_percent(body, slice_text(value), "");
}

static void append_lists(struct buffer *body, const struct sts_assume *assume) {
    for (size_t i = 0; i < assume->policy_arn_count; i++) {
        append_member(body, "PolicyArns", i, ".arn", assume->policy_arns[i]);
    }
    for (size_t i = 0; i < assume->tag_count; i++) {
        append_member(body, "Tags", i, ".Key", assume->tags[i].key);
        append_member(body, "Tags", i, ".Value", assume->tags[i].value);
    }
    for (size_t i = 0; i < assume->transitive_key_count; i++) {
        append_member(body, "TransitiveTagKeys", i, "", assume->transitive_keys[i]);
    }
}

static void append_assume(struct buffer *body, const struct sts_assume *assume) {
    const bool web = assume->web_identity_token != NULL;
    buffer_appendf(body, "Action=%s&Version=2011-06-15",
                   web ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    append_optional(body, "RoleArn", assume->role_arn);
    append_optional(body, "RoleSessionName", assume->session_name);
    if (assume->duration_seconds != 0) {
        buffer_appendf(body, "&DurationSeconds=%lld", (long long)assume->duration_seconds);
    }
    append_optional(body, "ExternalId", assume->external_id);
    append_optional(body, "Policy", assume->policy);
    append_optional(body, "SourceIdentity", assume->source_identity);
    append_lists(body, assume);
    if (web) {
        append_parameter(body, "WebIdentityToken", secret_expose(assume->web_identity_token));
    }
}

// --- The answer -------------------------------------------------------------------------------

/// An answer in either of the forms that STS has: XML, or the same tree as JSON.
struct answer {
    struct slice text;
    struct json_document document;
    /// The object that holds the result's parts.
    struct json result;
    bool is_json;
};

static void answer_clean_up(struct answer *answer) {
    json_document_clean_up(&answer->document);
}
#define cleanup_answer __attribute__((cleanup(answer_clean_up)))

/// {"AssumeRoleResponse":{"AssumeRoleResult":{...}}}
static bool open_answer(const struct http_response *response, const char *operation,
                        struct answer *answer, struct error *err) {
    *answer = (struct answer){.text = slice_trim(buffer_slice(&response->body))};
    answer->is_json = slice_starts_with(answer->text, SLICE("{"));
    if (!answer->is_json) {
        return true;
    }
    cleanup_free char *outer = xasprintf("%sResponse", operation);
    cleanup_free char *inner = xasprintf("%sResult", operation);
    struct json wrapper;
    return json_parse(answer->text, operation, &answer->document, err) &&
           json_get_object(&answer->document.root, outer, &wrapper, err) &&
           json_get_object(&wrapper, inner, &answer->result, err);
}

/// Appends the text of one part; blanks and line breaks around it do not belong to it.
static bool read_part(const struct answer *answer, const char *parent, const char *name,
                      struct buffer *out, struct error *err) {
    if (!answer->is_json) {
        return xml_element_text(answer->text, name, out, err);
    }
    struct json object = answer->result;
    struct slice text;
    if ((parent != NULL && !json_get_object(&answer->result, parent, &object, err)) ||
        !json_get_string(&object, name, &text, err)) {
        return false;
    }
    return buffer_append(out, text) || buffer_check(out, name, err);
}

static char *read_text(const struct answer *answer, const char *parent, const char *name,
                       struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(LARGEST_PART);
    if (!read_part(answer, parent, name, &text, err)) {
        return NULL;
    }
    const struct slice trimmed = slice_trim(buffer_slice(&text));
    if (trimmed.len == 0) {
        error_set(err, "answer", "%s is empty", name);
        return NULL;
    }
    return slice_copy(trimmed);
}

/// A key has no blanks: an answer may be wrapped over lines.
static struct secret *read_secret(const struct answer *answer, const char *name,
                                  struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_PART);
    cleanup_buffer struct buffer bare = BUFFER_INIT_SENSITIVE(LARGEST_PART);
    if (!read_part(answer, "Credentials", name, &text, err)) {
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] > ' ') {
            buffer_append_byte(&bare, text.data[i]);
        }
    }
    if (bare.len == 0) {
        error_set(err, "answer", "%s is empty", name);
        return NULL;
    }
    return secret_take(&bare);
}

/// A time as text, or in JSON also as seconds since the epoch.
static bool read_expiration(const struct answer *answer, int64_t *expires_ms, struct error *err) {
    struct json credentials;
    struct json value;
    if (answer->is_json) {
        if (!json_get_object(&answer->result, "Credentials", &credentials, err) ||
            !json_get(&credentials, "Expiration", &value, err)) {
            return false;
        }
        const double seconds = cJSON_IsNumber(value.node) ? value.node->valuedouble : 0;
        if (seconds > 0 && seconds < 1e11) {
            *expires_ms = (int64_t)(seconds * 1000);
            return true;
        }
    }
    cleanup_free char *text = read_text(answer, "Credentials", "Expiration", err);
    return text != NULL && (timestamp_parse(slice_text(text), expires_ms) ||
                            error_set(err, "answer", "Expiration \"%s\" is no time", text));
}

static bool read_session(const struct answer *answer, struct sts_session *session,
                         struct error *err) {
    struct aws_credentials *credentials = &session->credentials;
    credentials->access_key = read_text(answer, "Credentials", "AccessKeyId", err);
    if (credentials->access_key == NULL) {
        return false;
    }
    credentials->secret_key = read_secret(answer, "SecretAccessKey", err);
    if (credentials->secret_key == NULL) {
        return false;
    }
    credentials->session_token = read_secret(answer, "SessionToken", err);
    if (credentials->session_token == NULL ||
        !read_expiration(answer, &credentials->expires_ms, err)) {
        return false;
    }
    session->arn = read_text(answer, "AssumedRoleUser", "Arn", err);
    if (session->arn == NULL) {
        return false;
    }
    session->id = read_text(answer, "AssumedRoleUser", "AssumedRoleId", err);
    return session->id != NULL;
}

// --- Calls --------------------------------------------------------------------------------------

static bool call(struct aws_client *client, const char *operation, struct slice body, bool bare,
                 int64_t deadline_ms, struct http_response *response, struct answer *answer,
                 struct error *err) {
    // GitLab's keys could not be fetched just now.
    static const char *const retryable[] = {"IDPCommunicationError", NULL};
    const struct aws_request request = {
        .service = "sts",
        .endpoint_id = "STS",
        .protocol = AWS_QUERY,
        .body = body,
        .unsigned_request = bare,
        .retryable_codes = retryable,
    };
    if (!aws_call(client, &request, response, deadline_ms, err)) {
        return false;
    }
    return open_answer(response, operation, answer, err) ||
           error_set(err, "answer", "sts %s: the answer is not as expected: %s", operation,
                     err->message);
}

bool sts_assume_role(struct aws_client *client, const struct sts_assume *assume,
                     int64_t deadline_ms, struct sts_session *session, struct error *err) {
    *session = (struct sts_session){0};
    const bool web = assume->web_identity_token != NULL;
    const char *operation = web ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    cleanup_buffer struct buffer body = BUFFER_INIT_SENSITIVE(LARGEST_REQUEST);
    append_assume(&body, assume);
    cleanup_http_response struct http_response response;
    http_response_init(&response, LARGEST_ANSWER);
    cleanup_answer struct answer answer = {0};
    if (!sts_check(assume, err) || !buffer_check(&body, "the request to STS", err) ||
        !call(client, operation, buffer_slice(&body), web, deadline_ms, &response, &answer, err)) {
        return false;
    }
    return read_session(&answer, session, err) ||
           error_set(err, "answer", "sts %s: the answer is not as expected: %s", operation,
                     err->message);
}

bool sts_get_caller_identity(struct aws_client *client, int64_t deadline_ms,
                             struct sts_identity *identity, struct error *err) {
    *identity = (struct sts_identity){0};
    cleanup_http_response struct http_response response;
    http_response_init(&response, LARGEST_ANSWER);
    cleanup_answer struct answer answer = {0};
    if (!call(client, "GetCallerIdentity", SLICE("Action=GetCallerIdentity&Version=2011-06-15"),
              false, deadline_ms, &response, &answer, err)) {
        return false;
    }
    char **const parts[] = {&identity->account, &identity->arn, &identity->user_id};
    static const char *const names[] = {"Account", "Arn", "UserId"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i] = read_text(&answer, NULL, names[i], err);
        if (*parts[i] == NULL) {
            return error_set(err, "answer",
                             "sts GetCallerIdentity: the answer is not as expected: %s",
                             err->message);
        }
    }
    return true;
}
