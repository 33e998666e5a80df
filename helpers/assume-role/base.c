// SPDX-License-Identifier: Apache-2.0
#include "assume-role/base.h"

#include <stdarg.h>
#include <stdlib.h>

#include "assume-role/base_chain.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/system/environment.h"
#include "common/timestamp.h"

void base_clean_up(struct base *base) {
    aws_credentials_clean_up(&base->credentials);
    free(base->region);
    free(base->endpoint_url);
    free(base->ca_bundle);
    free(base->source);
    *base = (struct base){0};
}

void base_take(struct base *base, struct aws_credentials *credentials, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *source = xvasprintf(format, arguments);
    va_end(arguments);
    free(base->source);
    base->source = source;
    aws_credentials_clean_up(&base->credentials);
    base->credentials = *credentials;
    *credentials = (struct aws_credentials){0};
    base->is_session = base->credentials.session_token != NULL;
}

static bool environment_expiry(struct aws_credentials *credentials, struct clock *clock,
                               struct error *err) {
    const char *expiration = environment_value("AWS_CREDENTIAL_EXPIRATION");
    if (!expiration) {
        return true;
    }
    if (!timestamp_parse(slice_text(expiration), &credentials->expires_ms)) {
        return error_set(err, "config",
                         "AWS_CREDENTIAL_EXPIRATION: \"%.40s\" is no time, write it like "
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

enum link link_environment(struct chain *chain, const struct profile *profile, struct base *base,
                           struct error *err) {
    (void)profile;
    const char *access_key = environment_value("AWS_ACCESS_KEY_ID");
    const char *secret_key = environment_value("AWS_SECRET_ACCESS_KEY");
    if (!access_key) {
        chain_note(chain, "environment (AWS_ACCESS_KEY_ID is not set%s)",
                   secret_key ? ", though AWS_SECRET_ACCESS_KEY is" : "");
        return LINK_SKIPPED;
    }
    if (!secret_key) {
        error_set(
            err, "partial",
            "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not: set both, or neither");
        return LINK_FAILED;
    }
    const char *token = environment_value("AWS_SESSION_TOKEN");
    token = token ? token : environment_value("AWS_SECURITY_TOKEN");
    cleanup_aws_credentials struct aws_credentials credentials = {
        .access_key = xstrdup(access_key),
        .secret_key = secret_new(slice_text(secret_key)),
        .session_token = token ? secret_new(slice_text(token)) : NULL,
    };
    if (!environment_expiry(&credentials, chain->clock, err)) {
        return LINK_FAILED;
    }
    base_take(base, &credentials, "environment");
    return LINK_FOUND;
}

/// Whether the environment says anything about where STS is.
static bool environment_has_endpoint(void) {
    return environment_value("AWS_ENDPOINT_URL_STS") || environment_value("AWS_ENDPOINT_URL");
}

static bool is_true(const char *text) {
    return text && strcasecmp(text, "true") == 0;
}

/// The endpoint that the profile gives STS; NULL where it gives none.
static bool profile_endpoint(const struct chain *chain, char **url, struct error *err) {
    const struct profile *profile = &chain->profile;
    if (environment_has_endpoint() || environment_is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") ||
        is_true(profile_get(profile, "ignore_configured_endpoint_urls"))) {
        return true;
    }
    const char *services = profile_get(profile, "services");
    if (services) {
        const struct config_section *section =
            config_file_find(&chain->config, "services", services);
        if (!section) {
            return error_set(err, "config",
                             "profile %s: services = %s, but %s has no section [services %s]",
                             profile->name, services, chain->config_path, services);
        }
        const char *sts = config_section_get(section, "sts");
        *url = sts ? config_block_get(sts, "endpoint_url") : NULL;
    }
    const char *global = profile_get(profile, "endpoint_url");
    if (!*url && global) {
        *url = xstrdup(global);
    }
    return true;
}

static bool take_settings(const struct chain *chain, struct base *base, struct error *err) {
    const char *region = profile_get(&chain->profile, "region");
    base->region = region ? xstrdup(region) : NULL;
    const char *ca_bundle = profile_get(&chain->profile, "ca_bundle");
    if (ca_bundle && !environment_value("AWS_CA_BUNDLE")) {
        base->ca_bundle = path_expanded(ca_bundle);
    }
    base->use_fips = is_true(profile_get(&chain->profile, "use_fips_endpoint"));
    base->use_dual_stack = is_true(profile_get(&chain->profile, "use_dualstack_endpoint"));
    return profile_endpoint(chain, &base->endpoint_url, err);
}

bool base_settings(const struct base_options *options, struct base *base, struct error *err) {
    *base = (struct base){0};
    cleanup_chain struct chain chain = {0};
    return chain_init(&chain, options, err) && take_settings(&chain, base, err);
}

bool base_find(const struct base_options *options, struct base *base, struct error *err) {
    static const link_function links[] = {
        link_environment, link_role, link_profile, link_container, link_metadata,
    };
    *base = (struct base){0};
    cleanup_chain struct chain chain = {0};
    if (!chain_init(&chain, options, err) || !take_settings(&chain, base, err)) {
        return false;
    }
    for (size_t i = chain.is_explicit ? 1 : 0; i < ARRAY_LENGTH(links); i++) {
        const enum link said = links[i](&chain, &chain.profile, base, err);
        if (said != LINK_SKIPPED) {
            return said == LINK_FOUND;
        }
    }
    return error_set(err, "none", "no AWS credentials: looked at %s", buffer_text(&chain.tried));
}
