// SPDX-License-Identifier: Apache-2.0
/// The AWS SDKs' shared files, `~/.aws/config` and `~/.aws/credentials`, read as botocore reads
/// them (Python's configparser): `[section]`, `[DEFAULT]` for what all sections have, `key = value`
/// or `key: value`, lines that are indented deeper go on with the value above, `#` and `;` begin a
/// comment at a line's start only. Source:
/// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/slice.h"

struct config_property {
    /// In lower case.
    char *key;
    /// Trimmed; lines that went on are joined by newlines. Values may be secrets.
    char *value;
};

struct config_section {
    /// As it stands between the brackets: "default", "profile ci", "services local".
    char *title;
    size_t line;
    struct config_property *properties;
    size_t count;
    /// Where to look for a key that it does not have: [DEFAULT]. Not owned; may be NULL.
    const struct config_section *above;
};

/// Zeroed is an empty file. Its texts are wiped when they are released.
struct config_file {
    struct config_section *sections;
    size_t count;
};
#define cleanup_config_file __attribute__((cleanup(config_file_clean_up)))
void config_file_clean_up(struct config_file *file);

/// Parses `text`, called `name` in messages, which give the line. Fails (code "config") on what is
/// neither, on a key in front of the first section, and on a section or key that stands twice.
/// `file` is initialised here and holds nothing after a failure.
bool config_file_parse(struct slice text, const char *name, struct config_file *file,
                       struct error *err);
/// Reads the file, up to 16 MiB; one that is not there, or is no regular file, is an empty one.
bool config_file_read(const char *path, struct config_file *file, struct error *err);

/// The name behind `kind` in the title: for "profile", "ci" of [profile ci] and [profile "ci"].
/// To be released with free(); NULL where the title is of another kind.
char *config_section_name(const struct config_section *section, const char *kind);
/// The section of that kind and name; of two that are named alike the last. `kind` NULL: the one
/// with that title. NULL where there is none.
const struct config_section *config_file_find(const struct config_file *file, const char *kind,
                                              const char *name);
/// The value, or NULL; the section may be NULL.
const char *config_section_get(const struct config_section *section, const char *key);

/// Of a value that is a block of indented `key = value` lines, the value of `key` (taken as it is
/// written, of two the last), to be released with free(); NULL where it has none.
char *config_block_get(const char *block, const char *key);
