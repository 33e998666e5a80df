// SPDX-License-Identifier: Apache-2.0
#include "common/aws/chain/profile.h"

#include <errno.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/options.h"
#include "common/system/environment.h"

/// Appends the variable at the front of `*rest`, which is "$NAME" or "${NAME}", and skips it. What
/// is not set stays as it is written.
static void expand_variable(struct slice *rest, struct buffer *out) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    const bool braced = slice_starts_with(*rest, SLICE("${"));
    const size_t begin = braced ? 2 : 1;
    size_t end = begin;
    while (end < rest->len &&
           (braced ? rest->data[end] != '}' : strchr(letters, rest->data[end]) != NULL)) {
        end++;
    }
    cleanup_free char *name = slice_copy(slice_make(rest->data + begin, end - begin));
    const char *value = end > begin && (!braced || end < rest->len) ? getenv(name) : NULL;
    const size_t length = value ? end + (braced ? 1 : 0) : 1;
    buffer_append(out, value ? slice_text(value) : slice_make(rest->data, 1));
    *rest = slice_skip(*rest, length);
}

char *profile_expand_path(const char *path) {
    enum { LONGEST_PATH = 64 * 1024 };
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_PATH);
    for (struct slice rest = slice_text(path); rest.len > 0;) {
        const size_t plain = slice_find(rest, '$');
        buffer_append(&out, slice_make(rest.data, plain));
        rest = slice_skip(rest, plain);
        if (rest.len > 0) {
            expand_variable(&rest, &out);
        }
    }
    const char *home = environment_value("HOME");
    const char *text = buffer_text(&out);
    // Without a home it is the root, never a folder "~" of the one we are in.
    return strncmp(text, "~/", 2) == 0 ? xasprintf("%s%s", home ? home : "", text + 1)
                                       : xstrdup(text);
}

bool profile_find(const struct profiles *profiles, const char *name, struct profile *profile) {
    *profile = (struct profile){.name = name};
    profile->shared = config_file_find(&profiles->shared, NULL, name);
    profile->config = config_file_find(&profiles->config, "profile", name);
    if (strcmp(name, "default") == 0) {
        // Of [default] and [profile default] the last counts, as of all profiles named twice.
        const struct config_section *plain = config_file_find(&profiles->config, NULL, name);
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

bool profile_is_true(const struct profile *profile, const char *key) {
    const char *value = profile_get(profile, key);
    return value && strcasecmp(value, "true") == 0;
}

/// The known profile that is nearest to `name`, to be released with free(); NULL where none is
/// near.
static char *nearest_profile(const struct profiles *profiles, const char *name) {
    const size_t most = profiles->config.count + profiles->shared.count;
    char **names = xcalloc(most + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < profiles->config.count; i++) {
        char *inner = config_section_name(&profiles->config.sections[i], "profile");
        if (inner) {
            names[count++] = inner;
        }
    }
    for (size_t i = 0; i < profiles->shared.count; i++) {
        names[count++] = xstrdup(profiles->shared.sections[i].title);
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
static const char *choose_name(struct profiles *profiles, const char *name) {
    const char *variable_name =
        environment_value("AWS_PROFILE") ? "AWS_PROFILE" : "AWS_DEFAULT_PROFILE";
    const char *other = environment_value("AWS_DEFAULT_PROFILE");
    const char *first = environment_value("AWS_PROFILE");
    if (!name && first && other && strcmp(first, other) != 0) {
        log_warn(
            "AWS_PROFILE and AWS_DEFAULT_PROFILE differ: AWS_PROFILE is used, but botocore and "
            "version 1 of the aws CLI use the other: unset one",
            log_text("AWS_PROFILE", first), log_text("AWS_DEFAULT_PROFILE", other));
    }
    profiles->is_explicit = name != NULL;
    name = name ? name : environment_value(variable_name);
    profiles->is_named = name != NULL;
    profiles->chosen.name = name ? name : "default";
    return profiles->is_explicit ? "profile" : variable_name;
}

static bool choose(struct profiles *profiles, const char *named_by, struct error *err) {
    const char *name = profiles->chosen.name;
    if (profile_find(profiles, name, &profiles->chosen) || !profiles->is_named) {
        return true;
    }
    cleanup_free char *nearest = nearest_profile(profiles, name);
    return error_set(err, "profile", "%s %.128s: neither %s nor %s has that profile%s%.128s%s",
                     named_by, name, profiles->config_path, profiles->shared_path,
                     nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                     nearest ? "\"?" : "");
}

static char *file_path(const char *variable_name, const char *standard) {
    const char *path = environment_value(variable_name);
    return profile_expand_path(path ? path : standard);
}

/// Where nobody named the file or a profile in it, one that is closed to us counts for none: in a
/// container HOME may be another user's, and the SDKs go on, too.
static bool read_file(const struct profiles *profiles, const char *variable_name, const char *path,
                      struct config_file *file, struct buffer *closed, struct error *err) {
    if (config_file_read(path, file, err)) {
        return true;
    }
    if (err->errnum != EACCES || profiles->is_named || environment_value(variable_name)) {
        return false;
    }
    buffer_appendf(closed, "%s%s", closed->len > 0 ? "; " : "", err->message);
    return true;
}

bool profiles_read(struct profiles *profiles, const char *name, struct buffer *closed,
                   struct error *err) {
    *profiles = (struct profiles){
        .config_path = file_path("AWS_CONFIG_FILE", "~/.aws/config"),
        .shared_path = file_path("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    };
    const char *named_by = choose_name(profiles, name);
    return read_file(profiles, "AWS_CONFIG_FILE", profiles->config_path, &profiles->config, closed,
                     err) &&
           read_file(profiles, "AWS_SHARED_CREDENTIALS_FILE", profiles->shared_path,
                     &profiles->shared, closed, err) &&
           choose(profiles, named_by, err);
}

void profiles_clean_up(struct profiles *profiles) {
    free(profiles->config_path);
    free(profiles->shared_path);
    config_file_clean_up(&profiles->config);
    config_file_clean_up(&profiles->shared);
    *profiles = (struct profiles){0};
}
