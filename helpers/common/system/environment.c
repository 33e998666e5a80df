// SPDX-License-Identifier: Apache-2.0
#include "common/system/environment.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/alloc.h"

const char *environment_value(const char *name) {
    const char *value = getenv(name);
    return value && value[0] != '\0' ? value : NULL;
}

bool environment_is_true(const char *name) {
    const char *value = environment_value(name);
    return value && strcasecmp(value, "true") == 0;
}

char *environment_cache_folder(void) {
    const char *cache = environment_value("XDG_CACHE_HOME");
    const char *home = environment_value("HOME");
    if (cache && cache[0] == '/') {
        return xasprintf("%s/runlet", cache);
    }
    return home && home[0] == '/' ? xasprintf("%s/.cache/runlet", home) : NULL;
}

static void wipe(char *entry) {
    OPENSSL_cleanse(entry, strlen(entry));
    free(entry);
}

void environment_clean_up(struct environment *environment) {
    for (size_t i = 0; i < environment->count; i++) {
        wipe(environment->entries[i]);
    }
    free((void *)environment->entries);
    *environment = (struct environment){0};
}

static size_t find(const struct environment *environment, struct slice name) {
    size_t i = 0;
    for (; i < environment->count; i++) {
        const struct slice entry = slice_text(environment->entries[i]);
        if (slice_equal(slice_make(entry.data, slice_find(entry, '=')), name)) {
            break;
        }
    }
    return i;
}

void environment_set(struct environment *environment, const char *name, struct slice value) {
    const struct slice key = slice_text(name);
    if (key.len == 0 || slice_find(key, '=') < key.len) {
        abort();
    }
    const size_t length = slice_find(value, '\0');
    char *entry = xmalloc(key.len + 1 + length + 1);
    memcpy(entry, key.data, key.len);
    entry[key.len] = '=';
    if (length > 0) {
        memcpy(entry + key.len + 1, value.data, length);
    }
    entry[key.len + 1 + length] = '\0';

    const size_t index = find(environment, key);
    if (index < environment->count) {
        wipe(environment->entries[index]);
    } else {
        environment->entries = xreallocarray((void *)environment->entries, environment->count + 2,
                                             sizeof(*environment->entries));
        environment->count++;
        environment->entries[environment->count] = NULL;
    }
    environment->entries[index] = entry;
}

void environment_set_text(struct environment *environment, const char *name, const char *value) {
    environment_set(environment, name, slice_text(value));
}

void environment_unset(struct environment *environment, const char *name) {
    const size_t index = find(environment, slice_text(name));
    if (index == environment->count) {
        return;
    }
    wipe(environment->entries[index]);
    // The last one takes its place, and its final NULL moves along.
    environment->count--;
    environment->entries[index] = environment->entries[environment->count];
    environment->entries[environment->count] = NULL;
}

const char *environment_get(const struct environment *environment, const char *name) {
    const size_t index = find(environment, slice_text(name));
    return index < environment->count ? environment->entries[index] + strlen(name) + 1 : NULL;
}

static bool is_listed(struct slice name, const char *const *names) {
    for (; *names; names++) {
        const struct slice pattern = slice_text(*names);
        const bool open = slice_ends_with(pattern, SLICE("*"));
        if (open ? slice_starts_with(name, slice_make(pattern.data, pattern.len - 1))
                 : slice_equal(name, pattern)) {
            return true;
        }
    }
    return false;
}

void environment_inherit(struct environment *environment, const char *const *names) {
    for (char **entry = environ; entry && *entry; entry++) {
        const struct slice text = slice_text(*entry);
        const struct slice name = slice_make(text.data, slice_find(text, '='));
        if (name.len == 0 || name.len == text.len || !is_listed(name, names)) {
            continue;
        }
        char *copy = slice_copy(name);
        environment_set(environment, copy, slice_skip(text, name.len + 1));
        free(copy);
    }
}

char *const *environment_array(const struct environment *environment) {
    static char *const none[] = {NULL};
    return environment->entries ? environment->entries : none;
}
