// SPDX-License-Identifier: Apache-2.0
/// Profiles with a role: over another profile, over a named source, or with a web identity.
#include <stdlib.h>

#include "assume-role/base_chain.h"
#include "assume-role/session_name.h"
#include "assume-role/session_request.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/sts.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/environment.h"
#include "common/system/files.h"

enum {
    /// A web identity token of STS has at most 20,000 characters; a file may end in a newline.
    TOKEN_FILE_MAX = 20002,
};

static bool has_static_keys(const struct profile *profile) {
    return profile_get(profile, "aws_access_key_id") ||
           profile_get(profile, "aws_secret_access_key");
}

static bool has_role(const struct profile *profile) {
    return profile_get(profile, "role_arn") && !profile_get(profile, "web_identity_token_file");
}

static bool call(const struct session_request *request, struct sts_session *session,
                 struct error *err) {
    return sts_assume_role(request->client, request->roles, request->deadline_ms, session, err);
}

/// Assumes the role with what `base` has, or with the token, and puts the session in its place.
static bool assume(const struct chain *chain, struct sts_assume *role, struct base *base,
                   const char *profile_name, struct error *err) {
    cleanup_sts_session struct sts_session session = {0};
    const bool by_token = role->web_identity_token != NULL;
    role->credentials = &base->credentials;
    const struct base_options *options = chain->options;
    const struct session_request request = {
        .client = options->client,
        .roles = role,
        .role_count = 1,
        .clock = chain->clock,
        .deadline_ms = options->deadline_ms,
        .use_cache = options->use_cache,
        .call = call,
    };
    if (!session_request_send(&request, &session, err)) {
        return error_prefix(err, "profile %s: %s", profile_name, role->role_arn);
    }
    base_take(base, &session.credentials, "profile %s (%s%s)", profile_name, role->role_arn,
              by_token ? ", web identity" : "");
    return true;
}

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

static bool assume_profile(const struct chain *chain, const struct profile *profile,
                           struct base *base, struct error *err) {
    const char *session_name = profile_get(profile, "role_session_name");
    cleanup_free char *default_name = session_name_default();
    struct sts_assume role = {
        .role_arn = profile_get(profile, "role_arn"),
        .session_name = session_name ? session_name : default_name,
        .external_id = profile_get(profile, "external_id"),
    };
    return read_duration(profile, base->is_session, &role.duration_seconds, err) &&
           assume(chain, &role, base, profile->name, err);
}

/// What credential_source names.
static bool named_source(struct chain *chain, const struct profile *profile, const char *source,
                         struct base *base, struct error *err) {
    static const struct {
        const char *name;
        link_function link;
    } sources[] = {
        {"Environment", link_environment},
        {"EcsContainer", link_container},
        {"Ec2InstanceMetadata", link_metadata},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
        if (strcasecmp(source, sources[i].name) != 0) {
            continue;
        }
        buffer_reset(&chain->tried);
        const enum link said = sources[i].link(chain, profile, base, err);
        if (said == LINK_SKIPPED) {
            error_set(err, "config", "found nothing: %s", buffer_text(&chain->tried));
        }
        return said == LINK_FOUND || error_prefix(err, "profile %s: credential_source = %s",
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
/// role, which is then the last one; else `base` has the keys to begin with.
static bool descend(struct chain *chain, struct descent *descent, bool *next, struct base *base,
                    struct error *err) {
    const struct profile *profile = &descent->profiles[descent->count - 1];
    *next = false;
    if (!check_role_profile(profile, err)) {
        return false;
    }
    const char *source = profile_get(profile, "credential_source");
    if (source) {
        return named_source(chain, profile, source, base, err);
    }
    const char *name = profile_get(profile, "source_profile");
    struct profile below;
    if (!profile_find(chain, name, &below)) {
        return error_set(err, "config",
                         "profile %s: source_profile = %.128s: neither %s nor %s has that profile",
                         profile->name, name, chain->config_path, chain->shared_path);
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
    const enum link said = link_profile(chain, &below, base, err);
    if (said == LINK_SKIPPED) {
        error_set(err, "config", "profile %s: source_profile has no credentials: looked at %s",
                  profile->name, buffer_text(&chain->tried));
    }
    return said == LINK_FOUND;
}

enum link link_role(struct chain *chain, const struct profile *profile, struct base *base,
                    struct error *err) {
    if (!has_role(profile)) {
        return LINK_SKIPPED;
    }
    struct descent descent = {.profiles = xcalloc(1, sizeof(*profile)), .count = 1};
    descent.profiles[0] = *profile;
    bool next = true;
    bool good = true;
    while (good && next) {
        good = descend(chain, &descent, &next, base, err);
    }
    for (size_t i = descent.count; good && i > 0; i--) {
        good = assume_profile(chain, &descent.profiles[i - 1], base, err);
    }
    free(descent.profiles);
    return good ? LINK_FOUND : LINK_FAILED;
}

static struct secret *read_token(const struct profile *profile, const char *path,
                                 struct error *err) {
    cleanup_free char *expanded = path_expanded(path);
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(TOKEN_FILE_MAX);
    if (!files_read(expanded, &text, err)) {
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

enum link link_web_identity(struct chain *chain, const struct profile *profile, struct base *base,
                            struct error *err) {
    // Each of the three may come from either place, as in botocore.
    const bool by_environment = !chain->is_explicit && profile->name == chain->profile.name;
    const char *file = by_environment ? environment_value("AWS_WEB_IDENTITY_TOKEN_FILE") : NULL;
    const char *role_arn = by_environment ? environment_value("AWS_ROLE_ARN") : NULL;
    const char *session_name = by_environment ? environment_value("AWS_ROLE_SESSION_NAME") : NULL;
    file = file ? file : profile_get(profile, "web_identity_token_file");
    role_arn = role_arn ? role_arn : profile_get(profile, "role_arn");
    session_name = session_name ? session_name : profile_get(profile, "role_session_name");
    if (!file) {
        return LINK_SKIPPED;
    }
    if (!role_arn) {
        error_set(err, "partial",
                  "profile %s: a web identity token file is given (%.256s) but no role: set "
                  "AWS_ROLE_ARN, or write role_arn into the profile",
                  profile->name, file);
        return LINK_FAILED;
    }
    cleanup_free char *default_name = session_name_default();
    struct sts_assume role = {
        .role_arn = role_arn,
        .session_name = session_name ? session_name : default_name,
    };
    cleanup_secret struct secret *token = read_token(profile, file, err);
    role.web_identity_token = token;
    return token && read_duration(profile, false, &role.duration_seconds, err) &&
                   assume(chain, &role, base, profile->name, err)
               ? LINK_FOUND
               : LINK_FAILED;
}
