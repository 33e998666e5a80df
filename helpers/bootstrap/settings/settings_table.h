// SPDX-License-Identifier: Apache-2.0
/// Environment variables into a struct, by a table: the mechanism; each handler has rows of its
/// own.
///
/// A variable that is not set leaves its member as it is: what was put there before is the default.
/// One that is set but bad fails with the code "Runtime.ConfigInvalid" and a message of the form
/// `NAME is "value": flaw; it must be form`. Values are shown only of variables that hold no
/// secret, and never where they look like a token.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/calls.h"
#include "common/error.h"
#include "common/slice.h"

enum setting_privacy {
    /// Messages may show it.
    SETTING_SHOWN,
    /// It may hold a password: no message shows it.
    SETTING_HIDDEN,
    /// It is a secret: no message shows it, and it is wiped from the environment once it is read.
    SETTING_SECRET,
};

struct setting {
    const char *name;
    /// What it has to be, for messages; NULL where it is one of `words`.
    const char *form;
    /// Puts the value into the member; fails with the flaw alone, as forms.h has it.
    bool (*read)(const struct setting *setting, struct slice value, void *member,
                 struct error *err);
    /// Of the member in the struct that is read.
    size_t offset;
    enum setting_privacy privacy;
    /// For numbers.
    int64_t min;
    int64_t max;
    /// For texts: what else there is to check; NULL: nothing.
    bool (*check)(struct slice value, struct error *err);
    /// For words: those that are allowed, ended by NULL.
    const char *const *words;
};

struct settings_table {
    const struct setting *rows;
    size_t count;
};

// --- Readers -------------------------------------------------------------------------------------

/// Into a `char *`, which is released with free(), on failure too.
bool setting_read_text(const struct setting *setting, struct slice value, void *member,
                       struct error *err);
/// Seconds into an `int64_t` of milliseconds.
bool setting_read_seconds(const struct setting *setting, struct slice value, void *member,
                          struct error *err);
/// Into an `unsigned`.
bool setting_read_count(const struct setting *setting, struct slice value, void *member,
                        struct error *err);
/// The index of one of `words` into an enum (or an `unsigned`).
bool setting_read_word(const struct setting *setting, struct slice value, void *member,
                       struct error *err);
/// One of `settings_booleans` into a `bool`.
bool setting_read_boolean(const struct setting *setting, struct slice value, void *member,
                          struct error *err);
/// "true" and "false"
extern const char *const settings_booleans[];

// --- Rows ----------------------------------------------------------------------------------------

/// Reads all rows into the struct at `values`, in their order, up to the first that is bad. Wipes
/// the secrets of all rows from the environment, also where it fails.
bool settings_table_read(const struct settings_table *table, void *values, struct error *err);
/// Fails with `NAME flaw; it must be form`, for what rows together have to be.
bool settings_table_refuse(const struct settings_table *table, const char *name, const char *flaw,
                           struct error *err);
/// Warns in the log of RUNLET_ variables that no row reads.
void settings_table_warn_of_unknown(const struct settings_table *table);

/// The index of the variable's value in `words` (ended by NULL); -1, with the same code and form of
/// message, where it is another or not set.
int settings_choose(const char *name, const char *const *words, struct error *err);
/// Takes the function's own keys, without an access key where there are none, and wipes them from
/// the environment.
void settings_take_credentials(struct aws_credentials *credentials);
