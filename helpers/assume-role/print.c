// SPDX-License-Identifier: Apache-2.0
#include "assume-role/print.h"

#include "common/array.h"
#include "common/json.h"
#include "common/options.h"
#include "common/system/environment.h"
#include "common/timestamp.h"

static const char *const names[] = {
    [PRINT_PROCESS] = "process",
    [PRINT_ENV] = "env",
    [PRINT_JSON] = "json",
    [PRINT_TERRAGRUNT] = "terragrunt",
    NULL,
};

bool print_parse_format(const char *name, enum print_format *format, struct error *err) {
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            *format = (enum print_format)i;
            return true;
        }
    }
    return error_set(err, "usage", "expected process, env, json or terragrunt, not \"%s\"", name);
}

/// The members of the credentials by the names of the API.
static void append_credentials(struct buffer *out, const struct aws_credentials *credentials) {
    json_append_member(out, "AccessKeyId", slice_text(credentials->access_key));
    json_append_member(out, "SecretAccessKey", secret_expose(credentials->secret_key));
    json_append_member(out, "SessionToken", secret_expose(credentials->session_token));
    const struct timestamp expiration = timestamp_rfc3339_seconds(credentials->expires_ms);
    json_append_member(out, "Expiration", slice_text(expiration.text));
}

/// Quoted so that a shell takes it for one word, whatever it holds.
static void append_export(struct buffer *out, const char *name, struct slice value) {
    buffer_appendf(out, "export %s='", name);
    struct slice part;
    for (bool first = true; slice_split(&value, '\'', &part); first = false) {
        buffer_append_text(out, first ? "" : "'\\''");
        buffer_append(out, part);
    }
    buffer_append_text(out, "'\n");
}

static void append_exports(struct buffer *out, const struct aws_credentials *credentials) {
    // No AWS_CREDENTIAL_EXPIRATION: botocore would read these variables again ten minutes before
    // that time, and fail as they are the same.
    append_export(out, "AWS_ACCESS_KEY_ID", slice_text(credentials->access_key));
    append_export(out, "AWS_SECRET_ACCESS_KEY", secret_expose(credentials->secret_key));
    append_export(out, "AWS_SESSION_TOKEN", secret_expose(credentials->session_token));
    // Nor may those of the keys before stand beside the new ones.
    static const char *const stale[] = {"AWS_CREDENTIAL_EXPIRATION", "AWS_SECURITY_TOKEN"};
    for (size_t i = 0; i < ARRAY_LENGTH(stale); i++) {
        if (environment_value(stale[i])) {
            buffer_appendf(out, "unset %s\n", stale[i]);
        }
    }
}

bool print_session(const struct sts_session *session, enum print_format format, struct buffer *out,
                   struct error *err) {
    const struct aws_credentials *credentials = &session->credentials;
    switch (format) {
    case PRINT_PROCESS:
        buffer_append_text(out, "{\"Version\":1");
        append_credentials(out, credentials);
        buffer_append_text(out, "}\n");
        break;
    case PRINT_ENV:
        append_exports(out, credentials);
        break;
    case PRINT_JSON:
        buffer_append_text(out, "{\"Credentials\":{");
        append_credentials(out, credentials);
        buffer_append_text(out, "},\"AssumedRoleUser\":{");
        json_append_member(out, "AssumedRoleId", slice_text(session->id));
        json_append_member(out, "Arn", slice_text(session->arn));
        buffer_append_text(out, "}}\n");
        break;
    case PRINT_TERRAGRUNT:
        buffer_append_text(out, "{\"awsCredentials\":{");
        json_append_member(out, "ACCESS_KEY_ID", slice_text(credentials->access_key));
        json_append_member(out, "SECRET_ACCESS_KEY", secret_expose(credentials->secret_key));
        json_append_member(out, "SESSION_TOKEN", secret_expose(credentials->session_token));
        buffer_append_text(out, "}}\n");
        break;
    }
    return buffer_check(out, "the session", err);
}
