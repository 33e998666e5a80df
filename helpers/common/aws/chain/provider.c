// SPDX-License-Identifier: Apache-2.0
#include "common/aws/chain/provider.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/timestamp.h"

void provider_note(struct chain *chain, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cleanup_free char *note = xvasprintf(format, arguments);
    va_end(arguments);
    buffer_appendf(&chain->tried, "%s%s", chain->tried.len > 0 ? "; " : "", note);
}

int64_t provider_left_ms(const struct chain *chain, int64_t most) {
    const int64_t left = clock_left_ms(chain->clock, chain->deadline_ms);
    return left < most ? left : most;
}

enum provider_result provider_first(struct chain *chain, const provider *providers, size_t count,
                                    const struct profile *profile, struct chain_found *found,
                                    struct error *err) {
    enum provider_result result = PROVIDER_SKIPPED;
    for (size_t i = 0; i < count && result == PROVIDER_SKIPPED; i++) {
        result = providers[i](chain, profile, found, err);
    }
    return result;
}

void provider_take(struct chain_found *found, struct aws_credentials *credentials,
                   const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *source = xvasprintf(format, arguments);
    va_end(arguments);
    free(found->source);
    found->source = source;
    aws_credentials_clean_up(&found->credentials);
    found->credentials = *credentials;
    *credentials = (struct aws_credentials){0};
}

// --- Keys in JSON ---

static struct secret *json_secret(const struct json *object, const char *key, struct error *err) {
    struct slice text;
    if (!json_get_string(object, key, &text, err)) {
        return NULL;
    }
    if (text.len == 0) {
        error_set(err, "json", "%s is empty", key);
        return NULL;
    }
    return secret_new(text);
}

static bool read_expiration(const struct chain *chain, const struct json *object,
                            int64_t *expires_ms, struct error *err) {
    struct slice text;
    if (!json_has(object, "Expiration")) {
        return true;
    }
    if (!json_get_string(object, "Expiration", &text, err)) {
        return false;
    }
    if (!timestamp_parse(text, expires_ms)) {
        return error_set(err, "json", "Expiration is not a time in ISO 8601");
    }
    return *expires_ms > clock_now_ms(chain->clock) ||
           error_set(err, "expired", "the keys are expired since %s",
                     timestamp_rfc3339_seconds(*expires_ms).text);
}

bool provider_read_json(const struct chain *chain, struct slice text, const char *name,
                        const char *code, const char *token_key,
                        struct aws_credentials *credentials, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    struct slice access_key;
    bool good = json_parse(text, "answer", &document, err) &&
                json_get_string(&document.root, "AccessKeyId", &access_key, err);
    if (good && access_key.len == 0) {
        good = error_set(err, "json", "AccessKeyId is empty");
    }
    if (good) {
        credentials->access_key = slice_copy(access_key);
        credentials->secret_key = json_secret(&document.root, "SecretAccessKey", err);
        good = credentials->secret_key != NULL;
    }
    struct slice token = {0};
    if (good && json_has(&document.root, token_key)) {
        good = json_get_string(&document.root, token_key, &token, err);
    }
    if (good && token.len > 0) {
        credentials->session_token = secret_new(token);
    }
    good = good && read_expiration(chain, &document.root, &credentials->expires_ms, err);
    return good || error_set(err, code, "%s: %s", name, err->message);
}

// --- Roles ---

static bool read_duration(const struct profile *profile, bool is_chained, int64_t *seconds,
                          struct error *err) {
    const char *text = profile_get(profile, "duration_seconds");
    if (!text) {
        return true;
    }
    if (!slice_parse_integer(slice_text(text), seconds) || *seconds < STS_SHORTEST_SECONDS ||
        *seconds > STS_LONGEST_SECONDS) {
        return error_set(err, "config",
                         "profile %s: duration_seconds = %.32s: write a number from %d to %d",
                         profile->name, text, STS_SHORTEST_SECONDS, STS_LONGEST_SECONDS);
    }
    if (is_chained && *seconds > STS_LONGEST_CHAINED_SECONDS) {
        log_warn("duration_seconds of the profile is cut to an hour: STS gives no more to a role "
                 "that is assumed with another session's keys",
                 log_text("profile", profile->name));
        *seconds = STS_LONGEST_CHAINED_SECONDS;
    }
    return true;
}

bool provider_assume(const struct chain *chain, const struct profile *profile,
                     struct sts_assume *role, struct chain_found *found, struct error *err) {
    cleanup_sts_session struct sts_session session = {0};
    const struct chain_program *program = chain->program;
    const bool by_token = role->web_identity_token != NULL;
    const char *name =
        role->session_name ? role->session_name : profile_get(profile, "role_session_name");
    role->session_name = name ? name : program->session_name;
    role->credentials = &found->credentials;
    const bool is_chained = !by_token && found->credentials.session_token;
    if (!read_duration(profile, is_chained, &role->duration_seconds, err)) {
        return false;
    }
    if (!program->assume(program->context, role, &session, err)) {
        return error_prefix(err, "profile %s: %s", profile->name, role->role_arn);
    }
    provider_take(found, &session.credentials, "profile %s (%s%s)", profile->name, role->role_arn,
                  by_token ? ", web identity" : "");
    return true;
}
