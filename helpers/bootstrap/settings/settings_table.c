// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/settings/settings_table.h"

#include <stdlib.h>
#include <unistd.h>

#include "bootstrap/runtime/error_types.h"
#include "bootstrap/settings/forms.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"

enum { SHOWN_BYTES = 100 };

// --- Messages ------------------------------------------------------------------------------------

static bool looks_secret(struct slice value) {
    cleanup_free char *text = slice_copy(value);
    return strstr(text, "glrt-") || strstr(text, "glpat-") || strchr(text, '@');
}

/// "none, role or inherit"
static void append_words(struct buffer *message, const char *const *words) {
    for (size_t i = 0; words[i]; i++) {
        const char *separator = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        buffer_appendf(message, "%s%s", separator, words[i]);
    }
}

/// "a whole number from 1 to 100", "none, role or inherit"
static void append_form(struct buffer *message, const struct setting *setting) {
    if (setting->words) {
        append_words(message, setting->words);
    } else {
        buffer_append_text(message, setting->form);
    }
}

/// Fails with `NAME is "value": flaw; it must be form`; the flaw may be empty.
static bool invalid(const struct setting *setting, struct slice value, const char *flaw,
                    struct error *err) {
    cleanup_buffer struct buffer message = BUFFER_INIT(ERROR_MESSAGE_SIZE * 2);
    buffer_append_text(&message, setting->name);
    if (setting->privacy == SETTING_SHOWN && value.len > 0 && !looks_secret(value)) {
        bool cut = value.len > SHOWN_BYTES;
        buffer_append_text(&message, " is ");
        json_append_string(&message, slice_make(value.data, cut ? SHOWN_BYTES : value.len));
        buffer_append_text(&message, cut ? "...: " : ": ");
    } else {
        buffer_append_text(&message, *flaw ? " " : ": ");
    }
    buffer_appendf(&message, "%s%sit must be ", flaw, *flaw ? "; " : "");
    append_form(&message, setting);
    return error_set(err, ERROR_CONFIG_INVALID, "%s", buffer_text(&message));
}

static const struct setting *find_row(const struct settings_table *table, const char *name) {
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

bool settings_table_refuse(const struct settings_table *table, const char *name, const char *flaw,
                           struct error *err) {
    const struct setting *setting = find_row(table, name);
    return setting ? invalid(setting, SLICE(""), flaw, err)
                   : error_set(err, ERROR_CONFIG_INVALID, "%s %s", name, flaw);
}

// --- Readers -------------------------------------------------------------------------------------

const char *const settings_booleans[] = {"true", "false", NULL};

bool setting_read_text(const struct setting *setting, struct slice value, void *member,
                       struct error *err) {
    *(char **)member = slice_copy(value);
    return !setting->check || setting->check(value, err);
}

bool setting_read_seconds(const struct setting *setting, struct slice value, void *member,
                          struct error *err) {
    int64_t seconds = 0;
    if (!form_integer(value, setting->min, setting->max, &seconds, err)) {
        return false;
    }
    *(int64_t *)member = seconds * 1000;
    return true;
}

bool setting_read_count(const struct setting *setting, struct slice value, void *member,
                        struct error *err) {
    int64_t count = 0;
    if (!form_integer(value, setting->min, setting->max, &count, err)) {
        return false;
    }
    *(unsigned *)member = (unsigned)count;
    return true;
}

/// The index of the value, or -1.
static int find_word(const char *const *words, struct slice value) {
    for (int i = 0; words[i]; i++) {
        if (slice_equal_text(value, words[i])) {
            return i;
        }
    }
    return -1;
}

bool setting_read_word(const struct setting *setting, struct slice value, void *member,
                       struct error *err) {
    const int word = find_word(setting->words, value);
    if (word < 0) {
        // Which words there are says it all.
        return error_set(err, "form", "%s", "");
    }
    *(unsigned *)member = (unsigned)word;
    return true;
}

bool setting_read_boolean(const struct setting *setting, struct slice value, void *member,
                          struct error *err) {
    unsigned word = 0;
    if (!setting_read_word(setting, value, &word, err)) {
        return false;
    }
    *(bool *)member = word == 0;
    return true;
}

// --- Secrets in the environment ------------------------------------------------------------------

/// Overwrites a variable's value where it lies and removes the variable: who reads the memory of
/// the environment finds nothing.
static void scrub(const char *name) {
    char *value = getenv(name);
    if (value) {
        explicit_bzero(value, strlen(value));
        unsetenv(name);
    }
}

void settings_take_credentials(struct aws_credentials *credentials) {
    struct error none;
    if (!aws_credentials_from_environment(credentials, &none)) {
        // Only who calls AWS needs keys; it says so then.
        *credentials = (struct aws_credentials){0};
    }
    scrub("AWS_ACCESS_KEY_ID");
    scrub("AWS_SECRET_ACCESS_KEY");
    scrub("AWS_SESSION_TOKEN");
    scrub("AWS_SECURITY_TOKEN");
    scrub("AWS_CONTAINER_AUTHORIZATION_TOKEN");
}

// --- Rows ----------------------------------------------------------------------------------------

static bool read_row(const struct setting *setting, void *values, struct error *err) {
    const char *text = getenv(setting->name);
    if (!text) {
        return true;
    }
    struct slice value = slice_text(text);
    struct error flaw;
    if (value.len == 0) {
        return invalid(setting, value, "is empty", err);
    }
    if (!setting->read(setting, value, (char *)values + setting->offset, &flaw)) {
        return invalid(setting, value, flaw.message, err);
    }
    return true;
}

bool settings_table_read(const struct settings_table *table, void *values, struct error *err) {
    bool good = true;
    for (size_t i = 0; i < table->count; i++) {
        good = good && read_row(&table->rows[i], values, err);
        if (table->rows[i].privacy == SETTING_SECRET) {
            scrub(table->rows[i].name);
        }
    }
    return good;
}

void settings_table_warn_of_unknown(const struct settings_table *table) {
    for (char **entry = environ; entry && *entry; entry++) {
        struct slice variable = slice_text(*entry);
        if (!slice_starts_with(variable, SLICE("RUNLET_"))) {
            continue;
        }
        cleanup_free char *name = slice_copy(slice_make(variable.data, slice_find(variable, '=')));
        if (!find_row(table, name)) {
            log_warn("a setting is not known and has no effect", log_text("variable", name));
        }
    }
}

int settings_choose(const char *name, const char *const *words, struct error *err) {
    const struct setting setting = {.name = name, .words = words};
    const struct slice value = slice_text(getenv(name));
    const int word = find_word(words, value);
    if (word < 0) {
        invalid(&setting, value, value.data ? "" : "is not set", err);
    }
    return word;
}
