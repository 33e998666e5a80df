// SPDX-License-Identifier: Apache-2.0
/// JSON over cJSON, with typed access whose errors name the place: "event.job.id: expected an
/// integer".
///
/// Reading goes through `struct json`, a borrowed view of one value that knows its path. Building
/// goes through cJSON itself (cJSON_CreateObject, ...), whose functions do not fail for want of
/// memory once json_parse or json_initialise has run, and json_print(). All of cJSON's memory is
/// wiped when it is released (wipe.h): trees and texts may hold secrets.
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"

enum { JSON_PATH_SIZE = 128 };
/// Nesting that json_parse still takes.
enum { JSON_MAX_DEPTH = 100 };

/// A borrowed view of a value; valid as long as the document.
struct json {
    /// For what the functions below do not offer; never NULL after a call that returned true.
    cJSON *node;
    /// For messages, such as "event.job.id"; cut where it would be longer.
    char path[JSON_PATH_SIZE];
};

/// A parsed text; owns its nodes.
struct json_document {
    struct json root;
};
#define cleanup_json_document __attribute__((cleanup(json_document_clean_up)))
#define cleanup_cjson __attribute__((cleanup(json_deletep)))

/// Lets cJSON take its memory from alloc.h and wipe.h. Called once by whoever builds JSON without
/// parsing any.
void json_initialise(void);

/// Parses `text`, called `name` in messages. Refuses (code "json") what is not JSON, text after the
/// value, nesting over JSON_MAX_DEPTH, control characters in strings, and \u0000 (which cJSON would
/// take for a string's end). On success json_document_clean_up() releases the document.
bool json_parse(struct slice text, const char *name, struct json_document *document,
                struct error *err);
/// The same, for a text that must not make us take much more memory than it takes itself: refuses
/// (code "too_large") more than `most_values` members and elements.
bool json_parse_bounded(struct slice text, const char *name, size_t most_values,
                        struct json_document *document, struct error *err);
/// Releases the nodes; a zeroed document is fine.
void json_document_clean_up(struct json_document *document);
/// For cleanup_cjson: deletes a tree made with cJSON.
void json_deletep(cJSON **node);

// Members of an object, by name. They fail (code "json") when the member is missing or has another
// type; `value` is then not touched. A slice borrows from the document. Strings end in NUL.
bool json_get(const struct json *object, const char *key, struct json *value, struct error *err);
bool json_get_object(const struct json *object, const char *key, struct json *value,
                     struct error *err);
bool json_get_array(const struct json *object, const char *key, struct json *value,
                    struct error *err);
bool json_get_string(const struct json *object, const char *key, struct slice *value,
                     struct error *err);
/// A whole number up to 2^53 in size.
bool json_get_integer(const struct json *object, const char *key, int64_t *value,
                      struct error *err);
bool json_get_boolean(const struct json *object, const char *key, bool *value, struct error *err);

/// Tells whether the member is there and not null: what is optional is asked for first.
bool json_has(const struct json *object, const char *key);

// The value itself; they fail when it has another type.
bool json_as_object(const struct json *value, struct error *err);
bool json_as_array(const struct json *value, struct error *err);
bool json_as_string(const struct json *value, struct slice *text, struct error *err);
bool json_as_integer(const struct json *value, int64_t *number, struct error *err);

/// Walks over an array's elements or an object's members, in order:
/// `struct json_iterator it = {0}; while (json_each(&array, &it)) use(&it.value);`
struct json_iterator {
    struct json value;
    /// The member's name; empty for an element.
    struct slice key;
    size_t index;
    cJSON *next;
    bool started;
};
bool json_each(const struct json *container, struct json_iterator *iterator);

/// Appends the tree as JSON on one line. Numbers keep 15 significant digits. Fails (code
/// "too_large") at the buffer's maximum.
bool json_print(const cJSON *node, struct buffer *out, struct error *err);
/// Appends `text` as a JSON string, quotes included: any bytes, invalid UTF-8 replaced by U+FFFD.
bool json_append_string(struct buffer *out, struct slice text);
/// Appends `"name":"value"`, with a comma before it where `out` does not end in '{'. The value as
/// in json_append_string().
bool json_append_member(struct buffer *out, const char *name, struct slice value);
/// A string node with any bytes but NUL; invalid UTF-8 is replaced, the text ends at a NUL.
cJSON *json_create_string(struct slice text) __attribute__((returns_nonnull));
