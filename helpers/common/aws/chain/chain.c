// SPDX-License-Identifier: Apache-2.0
#include "common/aws/chain/chain.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/chain/provider.h"
#include "common/system/environment.h"

/// Of an error's message.
enum { LONGEST_TRIED = 900 };

/// Whether the environment says anything about where STS is.
static bool environment_has_endpoint(void) {
    return environment_value("AWS_ENDPOINT_URL_STS") || environment_value("AWS_ENDPOINT_URL");
}

static const char IGNORE[] = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// The endpoint that the profile gives STS.
static bool find_endpoint(struct chain *chain, struct error *err) {
    const struct profiles *profiles = &chain->profiles;
    const struct profile *profile = &profiles->chosen;
    const bool ignored = environment_value(IGNORE) ? environment_is_true(IGNORE)
                                                   : chain->settings.endpoint.ignores_environment;
    if (ignored || environment_has_endpoint()) {
        return true;
    }
    const char *services = profile_get(profile, "services");
    if (services) {
        const struct config_section *section =
            config_file_find(&profiles->config, "services", services);
        if (!section) {
            return error_set(
                err, "config",
                "profile %s: services = %s, but %s does not have the section [services %s]",
                profile->name, services, profiles->config_path, services);
        }
        const char *sts = config_section_get(section, "sts");
        chain->endpoint_url = sts ? config_block_get(sts, "endpoint_url") : NULL;
    }
    chain->settings.endpoint.url =
        chain->endpoint_url ? chain->endpoint_url : profile_get(profile, "endpoint_url");
    return true;
}

static bool find_settings(struct chain *chain, struct error *err) {
    const struct profile *profile = &chain->profiles.chosen;
    const char *ca_bundle = profile_get(profile, "ca_bundle");
    if (ca_bundle && !environment_value("AWS_CA_BUNDLE")) {
        chain->ca_bundle = profile_expand_path(ca_bundle);
    }
    chain->settings = (struct chain_settings){
        .endpoint = {.region = profile_get(profile, "region"),
                     .fips = profile_is_true(profile, "use_fips_endpoint"),
                     .dual_stack = profile_is_true(profile, "use_dualstack_endpoint"),
                     .ignores_environment =
                         profile_is_true(profile, "ignore_configured_endpoint_urls")},
        .sts_regional = profile_get(profile, "sts_regional_endpoints"),
        .ca_bundle = chain->ca_bundle,
    };
    return find_endpoint(chain, err);
}

struct chain *chain_open(const struct chain_options *options, struct error *err) {
    struct chain *chain = xcalloc(1, sizeof(*chain));
    chain->clock = options->clock ? options->clock : clock_system();
    chain->deadline_ms = options->deadline_ms;
    buffer_init(&chain->tried, LONGEST_TRIED);
    if (!profiles_read(&chain->profiles, options->profile, &chain->tried, err) ||
        !find_settings(chain, err)) {
        chain_close(chain);
        return NULL;
    }
    return chain;
}

void chain_close(struct chain *chain) {
    if (chain) {
        profiles_clean_up(&chain->profiles);
        free(chain->endpoint_url);
        free(chain->ca_bundle);
        buffer_clean_up(&chain->tried);
        free(chain);
    }
}

void chain_closep(struct chain **chain) {
    chain_close(*chain);
}

const struct chain_settings *chain_settings(const struct chain *chain) {
    return &chain->settings;
}

/// Those that STS's endpoint for all regions stands for: of regions made later it knows nothing.
static bool is_legacy_region(const char *region) {
    static const char *const regions[] = {
        "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1",   "eu-north-1", "eu-west-1",      "eu-west-2",      "eu-west-3",
        "sa-east-1",      "us-east-1",  "us-east-2",      "us-west-1",      "us-west-2",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(regions); i++) {
        if (strcmp(region, regions[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool chain_place_sts(const struct chain_settings *settings, struct aws_endpoint *endpoint,
                     struct error *err) {
    const char *word = environment_value("AWS_STS_REGIONAL_ENDPOINTS");
    word = word ? word : settings->sts_regional;
    if (!word || strcmp(word, "regional") == 0) {
        return true;
    }
    if (strcmp(word, "legacy") != 0) {
        return error_set(err, "config",
                         "sts_regional_endpoints (AWS_STS_REGIONAL_ENDPOINTS) must be regional or "
                         "legacy, not \"%.64s\"",
                         word);
    }
    struct aws_endpoint whole = *endpoint;
    if (!aws_endpoint_resolve(&whole, err)) {
        return false;
    }
    if (!whole.fips && !whole.dual_stack && is_legacy_region(whole.region) &&
        !aws_endpoint_is_configured(&whole, "STS")) {
        endpoint->url = "https://sts.amazonaws.com";
        endpoint->region = "us-east-1";
    }
    return true;
}

void chain_found_clean_up(struct chain_found *found) {
    aws_credentials_clean_up(&found->credentials);
    free(found->source);
    *found = (struct chain_found){0};
}

bool chain_find(struct chain *chain, const struct chain_program *program, struct chain_found *found,
                struct error *err) {
    static const provider providers[] = {
        provider_environment, provider_role,     provider_profile,
        provider_container,   provider_metadata,
    };
    *found = (struct chain_found){0};
    chain->program = program;
    const size_t first = chain->profiles.is_explicit ? 1 : 0;
    const enum provider_result result =
        provider_first(chain, providers + first, ARRAY_LENGTH(providers) - first,
                       &chain->profiles.chosen, found, err);
    if (result == PROVIDER_SKIPPED) {
        error_set(err, "none", "no AWS credentials: looked at %s", buffer_text(&chain->tried));
    }
    return result == PROVIDER_FOUND;
}
