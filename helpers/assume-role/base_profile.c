// SPDX-License-Identifier: Apache-2.0
/// The profiles: where their files are, which one is chosen, and the keys that stand in them.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "assume-role/base_chain.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/options.h"
#include "common/system/environment.h"
#include "common/timestamp.h"

enum { TRIED_MAX = 900 };

char *path_expanded(const char *path) {
    const char *home = environment_value("HOME");
    // Without a home it is the root, never a folder "~" of the one we are in.
    return strncmp(path, "~/", 2) == 0 ? xasprintf("%s%s", home ? home : "", path + 1)
                                       : xstrdup(path);
}

void chain_note(struct chain *chain, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *note = xvasprintf(format, arguments);
    va_end(arguments);
    buffer_appendf(&chain->tried, "%s%s", chain->tried.len > 0 ? "; " : "", note);
    free(note);
}

int64_t chain_left_ms(const struct chain *chain, int64_t most) {
    const int64_t left = clock_left_ms(chain->clock, chain->options->deadline_ms);
    return left < most ? left : most;
}

bool profile_find(const struct chain *chain, const char *name, struct profile *profile) {
    *profile = (struct profile){.name = name};
    profile->shared = config_file_find(&chain->shared, NULL, name);
    profile->config = config_file_find(&chain->config, "profile", name);
    if (strcmp(name, "default") == 0) {
        // Of [default] and [profile default] the last counts, as of all profiles named twice.
        const struct config_section *plain = config_file_find(&chain->config, NULL, name);
        if (!profile->config || (plain && plain->line > profile->config->line)) {
            profile->config = plain;
        }
    }
    return profile->config || profile->shared;
}

const char *profile_get(const struct profile *profile, const char *key) {
    const char *value = config_section_get(profile->shared, key);
    value = value ? value : config_section_get(profile->config, key);
    return value && value[0] != '\0' ? value : NULL;
}

/// The known profile that is nearest to `name`, to be released with free(); NULL where none is
/// near.
static char *nearest_profile(const struct chain *chain, const char *name) {
    const size_t most = chain->config.count + chain->shared.count;
    char **names = xcalloc(most + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < chain->config.count; i++) {
        char *inner = config_section_name(&chain->config.sections[i], "profile");
        if (inner) {
            names[count++] = inner;
        }
    }
    for (size_t i = 0; i < chain->shared.count; i++) {
        names[count++] = xstrdup(chain->shared.sections[i].title);
    }
    const char *nearest = options_nearest(name, (const char *const *)names);
    char *copy = nearest ? xstrdup(nearest) : NULL;
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
    return copy;
}

/// Whose profile it is to be; returns what named it, for messages.
static const char *name_profile(struct chain *chain) {
    const char *name = chain->options->profile;
    chain->is_explicit = name != NULL;
    const char *variable_name =
        environment_value("AWS_PROFILE") ? "AWS_PROFILE" : "AWS_DEFAULT_PROFILE";
    name = name ? name : environment_value(variable_name);
    chain->is_named = name != NULL;
    chain->profile.name = name ? name : "default";
    return chain->is_explicit ? "--profile" : variable_name;
}

static bool find_profile(struct chain *chain, const char *named_by, struct error *err) {
    const char *name = chain->profile.name;
    if (profile_find(chain, name, &chain->profile) || !chain->is_named) {
        return true;
    }
    cleanup_free char *nearest = nearest_profile(chain, name);
    return error_set(err, "profile", "%s %.128s: neither %s nor %s has that profile%s%.128s%s",
                     named_by, name, chain->config_path, chain->shared_path,
                     nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                     nearest ? "\"?" : "");
}

static char *file_path(const char *variable_name, const char *standard) {
    const char *path = environment_value(variable_name);
    return path_expanded(path ? path : standard);
}

/// Where nobody named the file or a profile in it, one that is closed to us counts for none: in a
/// container HOME may be another user's, and the SDKs go on, too.
static bool read_file(struct chain *chain, const char *variable_name, const char *path,
                      struct config_file *file, struct error *err) {
    if (config_file_read(path, file, err)) {
        return true;
    }
    if (err->errnum != EACCES || chain->is_named || environment_value(variable_name)) {
        return false;
    }
    chain_note(chain, "%s", err->message);
    return true;
}

bool chain_init(struct chain *chain, const struct base_options *options, struct error *err) {
    *chain = (struct chain){
        .options = options,
        .clock = options->clock ? options->clock : clock_system(),
        .config_path = file_path("AWS_CONFIG_FILE", "~/.aws/config"),
        .shared_path = file_path("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        .tried = BUFFER_INIT(TRIED_MAX),
    };
    const char *name_from = name_profile(chain);
    return read_file(chain, "AWS_CONFIG_FILE", chain->config_path, &chain->config, err) &&
           read_file(chain, "AWS_SHARED_CREDENTIALS_FILE", chain->shared_path, &chain->shared,
                     err) &&
           find_profile(chain, name_from, err);
}

void chain_clean_up(struct chain *chain) {
    free(chain->config_path);
    free(chain->shared_path);
    config_file_clean_up(&chain->config);
    config_file_clean_up(&chain->shared);
    buffer_clean_up(&chain->tried);
}

/// The keys that stand in one section of the file at `path`.
static enum link keys_of(const struct config_section *section, const char *name, const char *path,
                         struct base *base, struct error *err) {
    const char *access_key = config_section_get(section, "aws_access_key_id");
    if (!access_key) {
        return LINK_SKIPPED;
    }
    const char *secret_key = config_section_get(section, "aws_secret_access_key");
    if (access_key[0] == '\0' || !secret_key || secret_key[0] == '\0') {
        error_set(err, "partial", "profile %s in %s: %s is missing, write both keys or neither",
                  name, path,
                  access_key[0] == '\0' ? "aws_access_key_id" : "aws_secret_access_key");
        return LINK_FAILED;
    }
    const char *token = config_section_get(section, "aws_session_token");
    token = token ? token : config_section_get(section, "aws_security_token");
    cleanup_aws_credentials struct aws_credentials credentials = {
        .access_key = xstrdup(access_key),
        .secret_key = secret_new(slice_text(secret_key)),
        .session_token = token && token[0] != '\0' ? secret_new(slice_text(token)) : NULL,
    };
    base_take(base, &credentials, "profile %s (%s)", name, path);
    return LINK_FOUND;
}

static enum link link_shared_keys(struct chain *chain, const struct profile *profile,
                                  struct base *base, struct error *err) {
    return keys_of(profile->shared, profile->name, chain->shared_path, base, err);
}

static enum link link_config_keys(struct chain *chain, const struct profile *profile,
                                  struct base *base, struct error *err) {
    return keys_of(profile->config, profile->name, chain->config_path, base, err);
}

/// Sign-in by browser is the AWS CLI's: it is said at the place where the CLI would use it.
static enum link link_sso(struct chain *chain, const struct profile *profile, struct base *base,
                          struct error *err) {
    (void)chain;
    (void)base;
    if (!profile_get(profile, "sso_account_id") && !profile_get(profile, "sso_role_name")) {
        return LINK_SKIPPED;
    }
    error_set(err, "unsupported",
              "profile %s uses IAM Identity Center (sso_account_id, sso_role_name), which is not "
              "supported here: give it \"credential_process = aws configure export-credentials "
              "--profile NAME\" with the SSO profile's name in a profile of its own, or export its "
              "keys to the environment",
              profile->name);
    return LINK_FAILED;
}

static enum link link_login(struct chain *chain, const struct profile *profile, struct base *base,
                            struct error *err) {
    (void)chain;
    (void)base;
    if (!profile_get(profile, "login_session")) {
        return LINK_SKIPPED;
    }
    error_set(err, "unsupported",
              "profile %s uses \"aws login\" (login_session), which is not supported here: use "
              "another profile with \"credential_process = aws configure export-credentials "
              "--profile %s\"",
              profile->name, profile->name);
    return LINK_FAILED;
}

enum link link_profile(struct chain *chain, const struct profile *profile, struct base *base,
                       struct error *err) {
    static const link_function links[] = {
        link_web_identity, link_sso, link_shared_keys, link_login, link_process, link_config_keys,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
        const enum link said = links[i](chain, profile, base, err);
        if (said != LINK_SKIPPED) {
            return said;
        }
    }
    chain_note(chain, "profile %.128s (%s in %s and %s)", profile->name,
               profile->config || profile->shared ? "no credentials" : "not", chain->config_path,
               chain->shared_path);
    return LINK_SKIPPED;
}

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
        return error_set(err, "json", "Expiration is no time in ISO 8601");
    }
    return *expires_ms > clock_now_ms(chain->clock) ||
           error_set(err, "expired", "the keys are expired since %s",
                     timestamp_rfc3339_seconds(*expires_ms).text);
}

bool credentials_from_json(struct chain *chain, struct slice text, const char *name,
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
