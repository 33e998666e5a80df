// SPDX-License-Identifier: Apache-2.0
/// What one profile itself holds: keys in either file, and what is not supported.
#include "common/array.h"
#include "common/aws/chain/provider.h"

/// The keys that stand in one section of the file at `path`.
static enum provider_result keys_of(const struct config_section *section, const char *name,
                                    const char *path, struct chain_found *found,
                                    struct error *err) {
    const char *access_key = config_section_get(section, "aws_access_key_id");
    if (!access_key) {
        return PROVIDER_SKIPPED;
    }
    const char *secret_key = config_section_get(section, "aws_secret_access_key");
    if (access_key[0] == '\0' || !secret_key || secret_key[0] == '\0') {
        error_set(err, "partial", "profile %s in %s: %s is missing, write both keys or neither",
                  name, path,
                  access_key[0] == '\0' ? "aws_access_key_id" : "aws_secret_access_key");
        return PROVIDER_FAILED;
    }
    const char *token = config_section_get(section, "aws_session_token");
    token = token ? token : config_section_get(section, "aws_security_token");
    cleanup_aws_credentials struct aws_credentials credentials =
        aws_credentials_make(slice_text(access_key), slice_text(secret_key), slice_text(token));
    provider_take(found, &credentials, "profile %s (%s)", name, path);
    return PROVIDER_FOUND;
}

static enum provider_result shared_keys(struct chain *chain, const struct profile *profile,
                                        struct chain_found *found, struct error *err) {
    return keys_of(profile->shared, profile->name, chain->profiles.shared_path, found, err);
}

static enum provider_result config_keys(struct chain *chain, const struct profile *profile,
                                        struct chain_found *found, struct error *err) {
    return keys_of(profile->config, profile->name, chain->profiles.config_path, found, err);
}

/// Sign-in by browser is the AWS CLI's: it is said at the place where the CLI would use it.
static enum provider_result sso(struct chain *chain, const struct profile *profile,
                                struct chain_found *found, struct error *err) {
    (void)chain;
    (void)found;
    if (!profile_get(profile, "sso_account_id") && !profile_get(profile, "sso_role_name")) {
        return PROVIDER_SKIPPED;
    }
    error_set(err, "unsupported",
              "profile %s uses IAM Identity Center (sso_account_id, sso_role_name), which is not "
              "supported here: give it \"credential_process = aws configure export-credentials "
              "--profile NAME\" with the SSO profile's name in a profile of its own, or export its "
              "keys to the environment",
              profile->name);
    return PROVIDER_FAILED;
}

static enum provider_result login(struct chain *chain, const struct profile *profile,
                                  struct chain_found *found, struct error *err) {
    (void)chain;
    (void)found;
    if (!profile_get(profile, "login_session")) {
        return PROVIDER_SKIPPED;
    }
    error_set(err, "unsupported",
              "profile %s uses \"aws login\" (login_session), which is not supported here: use "
              "another profile with \"credential_process = aws configure export-credentials "
              "--profile %s\"",
              profile->name, profile->name);
    return PROVIDER_FAILED;
}

enum provider_result provider_profile(struct chain *chain, const struct profile *profile,
                                      struct chain_found *found, struct error *err) {
    static const provider providers[] = {
        provider_web_identity, sso, shared_keys, login, provider_process, config_keys,
    };
    const enum provider_result result =
        provider_first(chain, providers, ARRAY_LENGTH(providers), profile, found, err);
    if (result == PROVIDER_SKIPPED) {
        provider_note(chain, "profile %.128s (%s in %s and %s)", profile->name,
                      profile->config || profile->shared ? "no credentials" : "not",
                      chain->profiles.config_path, chain->profiles.shared_path);
    }
    return result;
}
