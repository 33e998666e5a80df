// SPDX-License-Identifier: Apache-2.0
/// Roles that are assumed with the token of a web identity.
#include "common/aws/chain/provider.h"
#include "common/cleanup.h"
#include "common/system/environment.h"
#include "common/system/files.h"

static struct secret *read_token(const struct profile *profile, const char *path,
                                 struct error *err) {
    cleanup_free char *expanded = profile_expand_path(path);
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(STS_LARGEST_TOKEN_FILE);
    if (!files_read_within(expanded, STS_TOKEN_WAIT_MS, &text, err)) {
        error_prefix(err, "profile %s: web identity token", profile->name);
        return NULL;
    }
    const struct slice token = slice_trim(buffer_slice(&text));
    if (token.len == 0) {
        error_set(err, "config", "profile %s: web identity token: %s is empty", profile->name,
                  expanded);
        return NULL;
    }
    return secret_new(token);
}

enum provider_result provider_web_identity(struct chain *chain, const struct profile *profile,
                                           struct chain_found *found, struct error *err) {
    // Each of the three may come from either place, as in botocore.
    const bool by_environment =
        !chain->profiles.is_explicit && profile->name == chain->profiles.chosen.name;
    const char *file = by_environment ? environment_value("AWS_WEB_IDENTITY_TOKEN_FILE") : NULL;
    const char *role_arn = by_environment ? environment_value("AWS_ROLE_ARN") : NULL;
    const char *session_name = by_environment ? environment_value("AWS_ROLE_SESSION_NAME") : NULL;
    file = file ? file : profile_get(profile, "web_identity_token_file");
    role_arn = role_arn ? role_arn : profile_get(profile, "role_arn");
    if (!file) {
        return PROVIDER_SKIPPED;
    }
    if (!role_arn) {
        error_set(err, "partial",
                  "profile %s: a web identity token file is given (%.256s) but no role: set "
                  "AWS_ROLE_ARN, or write role_arn into the profile",
                  profile->name, file);
        return PROVIDER_FAILED;
    }
    struct sts_assume role = {
        .role_arn = role_arn,
        .session_name = session_name,
    };
    cleanup_secret struct secret *token = read_token(profile, file, err);
    role.web_identity_token = token;
    return token && provider_assume(chain, profile, &role, found, err) ? PROVIDER_FOUND
                                                                       : PROVIDER_FAILED;
}
