// SPDX-License-Identifier: Apache-2.0
#include "common/aws/chain/config_file.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/aws/chain/words.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "common/wipe.h"

enum { LARGEST_CONFIG_FILE = 1 << 20 };

static void section_clean_up(struct config_section *section) {
    for (size_t i = 0; i < section->count; i++) {
        free(section->properties[i].key);
        wipe_free(section->properties[i].value);
    }
    free(section->properties);
    free(section->title);
}

void config_file_clean_up(struct config_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        section_clean_up(&file->sections[i]);
    }
    free(file->sections);
    *file = (struct config_file){0};
}

/// Where the parser is.
struct parser {
    const char *name;
    struct config_file *file;
    size_t line;
    /// The blanks in front of the last key or section.
    size_t indent;
    /// The value that deeper lines go on with, not yet in the file; only where `has_key`.
    struct buffer value;
    char *key;
};

/// Moves the key whose value is complete into its section.
static void finish_key(struct parser *parser) {
    if (!parser->key) {
        return;
    }
    struct config_section *section = &parser->file->sections[parser->file->count - 1];
    section->properties =
        xreallocarray(section->properties, section->count + 1, sizeof(*section->properties));
    // A block begins with its newline; blanks are only cut from the end.
    struct slice value = buffer_slice(&parser->value);
    while (value.len > 0 && isspace((unsigned char)value.data[value.len - 1])) {
        value.len--;
    }
    section->properties[section->count++] =
        (struct config_property){.key = steal_pointer(&parser->key), .value = slice_copy(value)};
    buffer_reset(&parser->value);
}

static bool begin_section(struct parser *parser, struct slice text, struct error *err) {
    size_t end = text.len;
    while (end > 0 && text.data[end - 1] != ']') {
        end--;
    }
    if (end < 3) {
        return error_set(err, "config", "%s: line %zu: \"[\" begins a section, write [name]",
                         parser->name, parser->line);
    }
    struct config_file *file = parser->file;
    cleanup_free char *title = slice_copy(slice_make(text.data + 1, end - 2));
    const struct config_section *twin = config_file_find(file, NULL, title);
    if (twin) {
        return error_set(err, "config",
                         "%s: line %zu: section [%s] stands in line %zu already, join the two",
                         parser->name, parser->line, title, twin->line);
    }
    file->sections = xreallocarray(file->sections, file->count + 1, sizeof(*file->sections));
    file->sections[file->count++] =
        (struct config_section){.title = steal_pointer(&title), .line = parser->line};
    return true;
}

static char *lower_case(struct slice text) {
    char *copy = slice_copy(text);
    for (char *byte = copy; *byte != '\0'; byte++) {
        *byte = (char)tolower((unsigned char)*byte);
    }
    return copy;
}

static bool begin_key(struct parser *parser, struct slice text, struct error *err) {
    const size_t equals = slice_find(text, '=');
    const size_t colon = slice_find(text, ':');
    const size_t end = equals < colon ? equals : colon;
    const struct slice key = slice_trim(slice_make(text.data, end));
    if (end == text.len || key.len == 0) {
        // The line itself is not shown: it may be a part of a secret.
        return error_set(err, "config", "%s: line %zu: neither [section] nor key = value",
                         parser->name, parser->line);
    }
    if (parser->file->count == 0) {
        return error_set(err, "config", "%s: line %zu: a key before the first [section]",
                         parser->name, parser->line);
    }
    parser->key = lower_case(key);
    const struct config_section *section = &parser->file->sections[parser->file->count - 1];
    if (config_section_get(section, parser->key)) {
        return error_set(err, "config", "%s: line %zu: \"%s\" stands twice in [%s]", parser->name,
                         parser->line, parser->key, section->title);
    }
    buffer_append(&parser->value, slice_trim(slice_skip(text, end + 1)));
    return true;
}

static bool parse_line(struct parser *parser, struct slice line, struct error *err) {
    const struct slice text = slice_trim(line);
    if (text.len == 0 || text.data[0] == '#' || text.data[0] == ';') {
        if (parser->key && text.len == 0) {
            buffer_append_byte(&parser->value, '\n');
        }
        return true;
    }
    const size_t indent = (size_t)(text.data - line.data);
    if (parser->key && indent > parser->indent) {
        buffer_append_byte(&parser->value, '\n');
        buffer_append(&parser->value, text);
        return true;
    }
    finish_key(parser);
    parser->indent = indent;
    return text.data[0] == '[' ? begin_section(parser, text, err) : begin_key(parser, text, err);
}

bool config_file_parse(struct slice text, const char *name, struct config_file *file,
                       struct error *err) {
    *file = (struct config_file){0};
    if (slice_find(text, '\0') < text.len) {
        return error_set(err, "config", "%s: it must be text, but has a NUL byte", name);
    }
    struct parser parser = {
        .name = name, .file = file, .value = BUFFER_INIT_SENSITIVE(text.len + 1)};
    struct slice line;
    bool good = true;
    while (good && slice_split(&text, '\n', &line)) {
        parser.line++;
        good = parse_line(&parser, line, err);
    }
    if (good) {
        finish_key(&parser);
    } else {
        config_file_clean_up(file);
    }
    free(parser.key);
    buffer_clean_up(&parser.value);
    return good;
}

bool config_file_read(const char *path, struct config_file *file, struct error *err) {
    *file = (struct config_file){0};
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_CONFIG_FILE);
    if (!files_read(path, &text, err)) {
        return error_is(err, "not_found");
    }
    return config_file_parse(buffer_slice(&text), path, file, err);
}

char *config_section_name(const struct config_section *section, const char *kind) {
    cleanup_words struct words words = {0};
    struct error ignored;
    if (!words_split(slice_text(section->title), &words, &ignored) || words.count != 2 ||
        strcmp(words.items[0], kind) != 0) {
        return NULL;
    }
    return xstrdup(words.items[1]);
}

const struct config_section *config_file_find(const struct config_file *file, const char *kind,
                                              const char *name) {
    for (size_t i = file->count; i > 0; i--) {
        const struct config_section *section = &file->sections[i - 1];
        cleanup_free char *inner = kind ? config_section_name(section, kind) : NULL;
        const char *shown = kind ? inner : section->title;
        if (shown && strcmp(shown, name) == 0) {
            return section;
        }
    }
    return NULL;
}

const char *config_section_get(const struct config_section *section, const char *key) {
    for (size_t i = 0; section && i < section->count; i++) {
        if (strcmp(section->properties[i].key, key) == 0) {
            return section->properties[i].value;
        }
    }
    return NULL;
}

char *config_block_get(const char *block, const char *key) {
    struct slice rest = slice_text(block);
    struct slice line;
    // A block's value begins with a newline: what stands behind the "=" is no part of it.
    if (!slice_split(&rest, '\n', &line) || line.len > 0) {
        return NULL;
    }
    while (slice_split(&rest, '\n', &line)) {
        const size_t equals = slice_find(line, '=');
        if (equals < line.len && slice_equal_text(slice_trim(slice_make(line.data, equals)), key)) {
            return slice_copy(slice_trim(slice_skip(line, equals + 1)));
        }
    }
    return NULL;
}
