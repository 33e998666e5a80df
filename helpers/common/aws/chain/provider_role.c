// SPDX-License-Identifier: Apache-2.0
/// Profiles with a role: over another profile, or over a named source.
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/chain/provider.h"

static bool has_static_keys(const struct profile *profile) {
    return profile_get(profile, "aws_access_key_id") ||
           profile_get(profile, "aws_secret_access_key");
}

static bool has_role(const struct profile *profile) {
    return profile_get(profile, "role_arn") && !profile_get(profile, "web_identity_token_file");
}

static bool assume(const struct chain *chain, const struct profile *profile,
                   struct chain_found *found, struct error *err) {
    struct sts_assume role = {
        .role_arn = profile_get(profile, "role_arn"),
        .external_id = profile_get(profile, "external_id"),
    };
    return provider_assume(chain, profile, &role, found, err);
}

/// What credential_source names.
static bool named_source(struct chain *chain, const struct profile *profile, const char *source,
                         struct chain_found *found, struct error *err) {
    static const struct {
        const char *name;
        provider provider;
    } sources[] = {
        {"Environment", provider_environment},
        {"EcsContainer", provider_container},
        {"Ec2InstanceMetadata", provider_metadata},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
        if (strcasecmp(source, sources[i].name) != 0) {
            continue;
        }
        buffer_reset(&chain->tried);
        const enum provider_result said = sources[i].provider(chain, profile, found, err);
        if (said == PROVIDER_SKIPPED) {
            error_set(err, "config", "found nothing: %s", buffer_text(&chain->tried));
        }
        return said == PROVIDER_FOUND || error_prefix(err, "profile %s: credential_source = %s",
                                                      profile->name, sources[i].name);
    }
    return error_set(err, "config",
                     "profile %s: credential_source = %.64s: write Environment, EcsContainer or "
                     "Ec2InstanceMetadata",
                     profile->name, source);
}

/// Profiles from the chosen one down to the last with a role.
struct descent {
    struct profile *profiles;
    size_t count;
};

static bool has_visited(const struct descent *descent, const char *name) {
    for (size_t i = 0; i < descent->count; i++) {
        if (strcmp(descent->profiles[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_role_profile(const struct profile *profile, struct error *err) {
    const char *source_profile = profile_get(profile, "source_profile");
    const char *source = profile_get(profile, "credential_source");
    if (profile_get(profile, "mfa_serial")) {
        return error_set(err, "unsupported",
                         "profile %s: mfa_serial asks for a code from a person, which is not "
                         "supported here: use a profile without it, or export a session's keys",
                         profile->name);
    }
    if (!source_profile == !source) {
        return error_set(err, !source ? "partial" : "config",
                         "profile %s: role_arn needs %s: write source_profile or "
                         "credential_source",
                         profile->name,
                         !source ? "to know whose keys to use" : "one source, not two");
    }
    return true;
}

/// Looks at where the role of the last profile comes from. `*next` is true where that is another
/// role, which is then the last one; else `found` has the keys to begin with.
static bool descend(struct chain *chain, struct descent *descent, bool *next,
                    struct chain_found *found, struct error *err) {
    const struct profile *profile = &descent->profiles[descent->count - 1];
    *next = false;
    if (!check_role_profile(profile, err)) {
        return false;
    }
    const char *source = profile_get(profile, "credential_source");
    if (source) {
        return named_source(chain, profile, source, found, err);
    }
    const char *name = profile_get(profile, "source_profile");
    struct profile below;
    if (!profile_find(&chain->profiles, name, &below)) {
        return error_set(err, "config",
                         "profile %s: source_profile = %.128s: neither %s nor %s has that profile",
                         profile->name, name, chain->profiles.config_path,
                         chain->profiles.shared_path);
    }
    const bool is_self = strcmp(name, profile->name) == 0;
    if (has_visited(descent, name) && (!is_self || !has_static_keys(&below))) {
        return error_set(err, "config", "profile %s: source_profile = %.128s goes round in a loop",
                         profile->name, name);
    }
    *next = has_role(&below) && !has_static_keys(&below);
    if (*next) {
        descent->profiles = xreallocarray(descent->profiles, descent->count + 1, sizeof(below));
        descent->profiles[descent->count++] = below;
        return true;
    }
    buffer_reset(&chain->tried);
    const enum provider_result said = provider_profile(chain, &below, found, err);
    if (said == PROVIDER_SKIPPED) {
        error_set(err, "config",
                  "profile %s: source_profile does not have credentials: looked at %s",
                  profile->name, buffer_text(&chain->tried));
    }
    return said == PROVIDER_FOUND;
}

enum provider_result provider_role(struct chain *chain, const struct profile *profile,
                                   struct chain_found *found, struct error *err) {
    if (!has_role(profile)) {
        return PROVIDER_SKIPPED;
    }
    struct descent descent = {.profiles = xcalloc(1, sizeof(*profile)), .count = 1};
    descent.profiles[0] = *profile;
    bool next = true;
    bool good = true;
    while (good && next) {
        good = descend(chain, &descent, &next, found, err);
    }
    for (size_t i = descent.count; good && i > 0; i--) {
        good = assume(chain, &descent.profiles[i - 1], found, err);
    }
    free(descent.profiles);
    return good ? PROVIDER_FOUND : PROVIDER_FAILED;
}
