// SPDX-License-Identifier: Apache-2.0
#include "common/aws/chain/config_file.h"

#include <ctype.h>
#include <search.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/chain/words.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "common/wipe.h"

enum { LARGEST_CONFIG_FILE = 16 << 20 };

/// The section whose keys all others have, too (configparser's).
static const char inherited_title[] = "DEFAULT";

/// The blank at the front of the text, or at its end: its length, 0 where there is none. Python's
/// blanks, among them NO-BREAK SPACE, as it is pasted from web pages.
static size_t blank_length(struct slice text, bool at_end) {
    static const char *const wide[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
    if (text.len == 0) {
        return 0;
    }
    const char byte = text.data[at_end ? text.len - 1 : 0];
    if (isspace((unsigned char)byte) || (byte >= 0x1c && byte <= 0x1f)) {
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wide); i++) {
        const struct slice blank = slice_text(wide[i]);
        if (at_end ? slice_ends_with(text, blank) : slice_starts_with(text, blank)) {
            return blank.len;
        }
    }
    return 0;
}

static struct slice trim_end(struct slice text) {
    for (size_t length; (length = blank_length(text, true)) > 0;) {
        text.len -= length;
    }
    return text;
}

static struct slice trim(struct slice text) {
    for (size_t length; (length = blank_length(text, false)) > 0;) {
        text = slice_skip(text, length);
    }
    return trim_end(text);
}

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
    /// Trees of the titles so far, and of the section's keys so far.
    void *titles;
    void *keys;
};

static int compare_texts(const void *a, const void *b) {
    return strcmp(a, b);
}

static void leave_text(void *text) {
    (void)text;
}

/// Puts the text, which must outlive it, into the tree; false if an equal one is there.
static bool add_new(void **tree, const char *text) {
    const char *const *node = tsearch(text, tree, compare_texts);
    return !node || *node == text;
}

/// The array with room for one item more: it doubles, as a file may have very many.
static void *grow(void *items, size_t count, size_t size) {
    const bool full = (count & (count - 1)) == 0;
    return full ? xreallocarray(items, count > 0 ? 2 * count : 1, size) : items;
}

/// Moves the key whose value is complete into its section.
static void finish_key(struct parser *parser) {
    if (!parser->key) {
        return;
    }
    struct config_section *section = &parser->file->sections[parser->file->count - 1];
    section->properties = grow(section->properties, section->count, sizeof(*section->properties));
    // A block begins with its newline; blanks are only cut from the end.
    const struct slice value = trim_end(buffer_slice(&parser->value));
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
    tdestroy(parser->keys, leave_text);
    parser->keys = NULL;
    if (!add_new(&parser->titles, title) && strcmp(title, inherited_title) != 0) {
        const struct config_section *twin = config_file_find(file, NULL, title);
        return error_set(err, "config",
                         "%s: line %zu: section [%s] stands in line %zu already, join the two",
                         parser->name, parser->line, title, twin ? twin->line : 0);
    }
    file->sections = grow(file->sections, file->count, sizeof(*file->sections));
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
    const struct slice key = trim(slice_make(text.data, end));
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
    if (!add_new(&parser->keys, parser->key)) {
        return error_set(err, "config", "%s: line %zu: \"%s\" stands twice in [%s]", parser->name,
                         parser->line, parser->key, section->title);
    }
    buffer_append(&parser->value, trim(slice_skip(text, end + 1)));
    return true;
}

static bool parse_line(struct parser *parser, struct slice line, struct error *err) {
    const struct slice text = trim(line);
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

static bool is_inherited(const struct config_section *section) {
    return strcmp(section->title, inherited_title) == 0;
}

/// Gives every section the keys of [DEFAULT], wherever it stands; it may stand in parts.
static void inherit(struct config_file *file) {
    const struct config_section *above = NULL;
    for (size_t i = 0; i < file->count; i++) {
        if (is_inherited(&file->sections[i])) {
            file->sections[i].above = above;
            above = &file->sections[i];
        }
    }
    for (size_t i = 0; i < file->count; i++) {
        if (!is_inherited(&file->sections[i])) {
            file->sections[i].above = above;
        }
    }
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
        inherit(file);
    } else {
        config_file_clean_up(file);
    }
    tdestroy(parser.titles, leave_text);
    tdestroy(parser.keys, leave_text);
    free(parser.key);
    buffer_clean_up(&parser.value);
    return good;
}

bool config_file_read(const char *path, struct config_file *file, struct error *err) {
    *file = (struct config_file){0};
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LARGEST_CONFIG_FILE);
    if (!files_read_regular(path, &text, err)) {
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
        const char *shown = kind || is_inherited(section) ? inner : section->title;
        if (shown && strcmp(shown, name) == 0) {
            return section;
        }
    }
    return NULL;
}

const char *config_section_get(const struct config_section *section, const char *key) {
    for (; section; section = section->above) {
        for (size_t i = 0; i < section->count; i++) {
            if (strcmp(section->properties[i].key, key) == 0) {
                return section->properties[i].value;
            }
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
    char *value = NULL;
    while (slice_split(&rest, '\n', &line)) {
        const size_t equals = slice_find(line, '=');
        if (equals < line.len && slice_equal_text(trim(slice_make(line.data, equals)), key)) {
            free(value);
            value = slice_copy(trim(slice_skip(line, equals + 1)));
        }
    }
    return value;
}
