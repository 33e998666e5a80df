// SPDX-License-Identifier: Apache-2.0
/// Keys that stand in the environment.
#include "common/array.h"
#include "common/aws/chain/provider.h"
#include "common/system/environment.h"
#include "common/timestamp.h"

static bool read_expiry(struct aws_credentials *credentials, struct clock *clock,
                        struct error *err) {
    const char *expiration = environment_value("AWS_CREDENTIAL_EXPIRATION");
    if (!expiration) {
        return true;
    }
    if (!timestamp_parse(slice_text(expiration), &credentials->expires_ms)) {
        return error_set(err, "config",
                         "AWS_CREDENTIAL_EXPIRATION: \"%.40s\" is not a time: write it like "
                         "2026-01-31T12:00:00Z, or unset it",
                         expiration);
    }
    if (credentials->expires_ms <= clock_now_ms(clock)) {
        return error_set(err, "expired",
                         "the keys in the environment expired at %s (AWS_CREDENTIAL_EXPIRATION): "
                         "get new ones, or unset AWS_ACCESS_KEY_ID",
                         timestamp_rfc3339_seconds(credentials->expires_ms).text);
    }
    return true;
}

/// A key that was pasted with its line's end, or a blank, is not signed with: AWS would only say
/// that it does not know it.
static bool check_key(const char *name, const char *value, struct error *err) {
    return !value || slice_is_visible(slice_text(value)) ||
           error_set(err, "config",
                     "%s has a blank, a line's end or another invisible character: set it without",
                     name);
}

static bool check_keys(struct error *err) {
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"};
    bool good = true;
    for (size_t i = 0; good && i < ARRAY_LENGTH(names); i++) {
        good = check_key(names[i], environment_value(names[i]), err);
    }
    return good;
}

enum provider_result provider_environment(struct chain *chain, const struct profile *profile,
                                          struct chain_found *found, struct error *err) {
    (void)profile;
    const char *access_key = environment_value("AWS_ACCESS_KEY_ID");
    const char *secret_key = environment_value("AWS_SECRET_ACCESS_KEY");
    if (!access_key) {
        provider_note(chain, "environment (AWS_ACCESS_KEY_ID is not set%s)",
                      secret_key ? ", though AWS_SECRET_ACCESS_KEY is" : "");
        return PROVIDER_SKIPPED;
    }
    if (!secret_key) {
        error_set(
            err, "partial",
            "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not: set both, or neither");
        return PROVIDER_FAILED;
    }
    if (!check_keys(err)) {
        return PROVIDER_FAILED;
    }
    const char *token = environment_value("AWS_SESSION_TOKEN");
    token = token ? token : environment_value("AWS_SECURITY_TOKEN");
    cleanup_aws_credentials struct aws_credentials credentials =
        aws_credentials_make(slice_text(access_key), slice_text(secret_key), slice_text(token));
    if (!read_expiry(&credentials, chain->clock, err)) {
        return PROVIDER_FAILED;
    }
    provider_take(found, &credentials, "environment");
    return PROVIDER_FOUND;
}
