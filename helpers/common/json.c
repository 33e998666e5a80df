// SPDX-License-Identifier: Apache-2.0
#include "common/json.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "common/alloc.h"
#include "common/encoding.h"
#include "common/json_syntax.h"
#include "common/wipe.h"

/// Whole numbers that a double holds exactly.
static const double largest_integer = 9007199254740992.0;

static void install_hooks(void) {
    cJSON_Hooks hooks = {.malloc_fn = xmalloc, .free_fn = wipe_free};
    cJSON_InitHooks(&hooks);
}

void json_initialise(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, install_hooks);
}

static bool refuse(const struct json_scan *scan, const char *name, const struct json_bounds *bounds,
                   struct error *err) {
    switch (scan->fault) {
    case JSON_TOO_MANY:
        return error_set(err, "too_large", "%s: more than %zu values", name, bounds->values);
    case JSON_TOO_DEEP:
        return error_set(err, "json", "%s: nested deeper than %zu", name, bounds->depth);
    case JSON_FOLLOWED:
        return error_set(err, "json", "%s: something follows the JSON value, at byte %zu", name,
                         scan->at);
    case JSON_CONTROL:
        return error_set(err, "json", "%s: a control character between the values", name);
    case JSON_CONTROL_IN_STRING:
        return error_set(err, "json", "%s: a string holds an unescaped control character", name);
    case JSON_NUL:
        return error_set(err, "json", "%s: a string holds \\u0000", name);
    case JSON_GOOD:
    case JSON_BROKEN:
        break;
    }
    return error_set(err, "json", "%s: not JSON, from byte %zu on", name, scan->at);
}

bool json_parse(struct slice text, const char *name, struct json_document *document,
                struct error *err) {
    return json_parse_bounded(text, name, SIZE_MAX, document, err);
}

bool json_parse_bounded(struct slice text, const char *name, size_t most_values,
                        struct json_document *document, struct error *err) {
    const struct json_bounds bounds = {
        .depth = JSON_MAX_DEPTH, .values = most_values, .c_strings = true, .any_bytes = true};
    json_initialise();
    *document = (struct json_document){0};
    if (text.len == 0) {
        return error_set(err, "json", "%s: empty, expected JSON", name);
    }
    // An editor's mark of UTF-8, which is not a part of the text.
    const struct slice mark = SLICE("\xef\xbb\xbf");
    text = slice_skip(text, slice_starts_with(text, mark) ? mark.len : 0);
    struct json_scan scan = json_scan(text, &bounds);
    if (scan.fault != JSON_GOOD) {
        return refuse(&scan, name, &bounds, err);
    }
    const char *end = NULL;
    document->root.node = cJSON_ParseWithLengthOpts(text.data, text.len, &end, false);
    if (!document->root.node) {
        // Half a surrogate pair.
        scan.at = end >= text.data ? (size_t)(end - text.data) : 0;
        return refuse(&scan, name, &bounds, err);
    }
    (void)snprintf(document->root.path, sizeof(document->root.path), "%s", name);
    return true;
}

void json_document_clean_up(struct json_document *document) {
    cJSON_Delete(document->root.node);
    document->root.node = NULL;
}

void json_deletep(cJSON **node) {
    cJSON_Delete(*node);
}

static struct json member_view(const struct json *object, const char *key, cJSON *node) {
    struct json view = {.node = node};
    // Cut where it is too long: it is for messages only.
    if (snprintf(view.path, sizeof(view.path), "%s.%s", object->path, key) < 0) {
        view.path[0] = '\0';
    }
    return view;
}

static struct json element_view(const struct json *array, size_t index, cJSON *node) {
    struct json view = {.node = node};
    if (snprintf(view.path, sizeof(view.path), "%s[%zu]", array->path, index) < 0) {
        view.path[0] = '\0';
    }
    return view;
}

bool json_get(const struct json *object, const char *key, struct json *value, struct error *err) {
    if (!cJSON_IsObject(object->node)) {
        return error_set(err, "json", "%s: expected an object", object->path);
    }
    const struct json view =
        member_view(object, key, cJSON_GetObjectItemCaseSensitive(object->node, key));
    if (!view.node) {
        return error_set(err, "json", "%s: missing", view.path);
    }
    *value = view;
    return true;
}

static bool expect(const struct json *value, bool matches, const char *what, struct error *err) {
    return matches || error_set(err, "json", "%s: expected %s", value->path, what);
}

bool json_as_object(const struct json *value, struct error *err) {
    return expect(value, cJSON_IsObject(value->node), "an object", err);
}

bool json_as_array(const struct json *value, struct error *err) {
    return expect(value, cJSON_IsArray(value->node), "an array", err);
}

bool json_as_string(const struct json *value, struct slice *text, struct error *err) {
    if (!expect(value, cJSON_IsString(value->node), "a string", err)) {
        return false;
    }
    *text = slice_text(value->node->valuestring);
    return true;
}

bool json_as_integer(const struct json *value, int64_t *number, struct error *err) {
    const cJSON *node = value->node;
    const double real = node->valuedouble;
    const bool whole = cJSON_IsNumber(node) && real >= -largest_integer &&
                       real <= largest_integer && (double)(int64_t)real == real;
    if (!expect(value, whole, "an integer", err)) {
        return false;
    }
    *number = (int64_t)real;
    return true;
}

bool json_get_object(const struct json *object, const char *key, struct json *value,
                     struct error *err) {
    struct json view;
    if (!json_get(object, key, &view, err) || !json_as_object(&view, err)) {
        return false;
    }
    *value = view;
    return true;
}

bool json_get_array(const struct json *object, const char *key, struct json *value,
                    struct error *err) {
    struct json view;
    if (!json_get(object, key, &view, err) || !json_as_array(&view, err)) {
        return false;
    }
    *value = view;
    return true;
}

bool json_get_string(const struct json *object, const char *key, struct slice *value,
                     struct error *err) {
    struct json view;
    return json_get(object, key, &view, err) && json_as_string(&view, value, err);
}

bool json_get_integer(const struct json *object, const char *key, int64_t *value,
                      struct error *err) {
    struct json view;
    return json_get(object, key, &view, err) && json_as_integer(&view, value, err);
}

bool json_get_boolean(const struct json *object, const char *key, bool *value, struct error *err) {
    struct json view;
    if (!json_get(object, key, &view, err) ||
        !expect(&view, cJSON_IsBool(view.node), "true or false", err)) {
        return false;
    }
    *value = cJSON_IsTrue(view.node);
    return true;
}

bool json_has(const struct json *object, const char *key) {
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object->node, key);
    return node && !cJSON_IsNull(node);
}

bool json_each(const struct json *container, struct json_iterator *iterator) {
    if (!iterator->started) {
        const bool walkable = cJSON_IsArray(container->node) || cJSON_IsObject(container->node);
        *iterator = (struct json_iterator){.started = true,
                                           .next = walkable ? container->node->child : NULL};
    } else {
        iterator->index++;
    }
    if (!iterator->next) {
        return false;
    }
    cJSON *node = iterator->next;
    iterator->next = node->next;
    if (cJSON_IsObject(container->node)) {
        iterator->key = slice_text(node->string);
        iterator->value = member_view(container, node->string, node);
    } else {
        iterator->value = element_view(container, iterator->index, node);
    }
    return true;
}

bool json_print(const cJSON *node, struct buffer *out, struct error *err) {
    json_initialise();
    char *text = cJSON_PrintUnformatted(node);
    if (!text) {
        return error_set(err, "json", "cannot print a JSON value");
    }
    buffer_append_text(out, text);
    cJSON_free(text);
    return buffer_check(out, "JSON", err);
}

static void append_escaped(struct buffer *out, char byte) {
    switch (byte) {
    case '"':
        buffer_append_text(out, "\\\"");
        break;
    case '\\':
        buffer_append_text(out, "\\\\");
        break;
    case '\n':
        buffer_append_text(out, "\\n");
        break;
    case '\r':
        buffer_append_text(out, "\\r");
        break;
    case '\t':
        buffer_append_text(out, "\\t");
        break;
    default:
        buffer_appendf(out, "\\u%04x", (unsigned)(unsigned char)byte);
        break;
    }
}

static bool is_plain(char byte) {
    const unsigned char number = (unsigned char)byte;
    return number >= 0x20 && number < 0x7f && byte != '"' && byte != '\\';
}

bool json_append_string(struct buffer *out, struct slice text) {
    buffer_append_byte(out, '"');
    while (text.len > 0) {
        size_t plain = 0;
        while (plain < text.len && is_plain(text.data[plain])) {
            plain++;
        }
        buffer_append(out, slice_make(text.data, plain));
        text = slice_skip(text, plain);
        if (text.len == 0) {
            break;
        }
        const size_t length = encoding_utf8_length(text);
        if (length > 1) {
            buffer_append(out, slice_make(text.data, length));
        } else if (length == 1) {
            append_escaped(out, text.data[0]);
        } else {
            buffer_append_text(out, "\xef\xbf\xbd");
        }
        text = slice_skip(text, length > 0 ? length : 1);
    }
    return buffer_append_byte(out, '"');
}

bool json_append_member(struct buffer *out, const char *name, struct slice value) {
    const bool first = out->len > 0 && out->data[out->len - 1] == '{';
    buffer_append_text(out, first ? "" : ",");
    json_append_string(out, slice_text(name));
    buffer_append_byte(out, ':');
    return json_append_string(out, value);
}

cJSON *json_create_string(struct slice text) {
    json_initialise();
    cleanup_buffer struct buffer valid = BUFFER_INIT_SENSITIVE(SIZE_MAX / 4);
    encoding_append_valid_utf8(&valid, text);
    return cJSON_CreateString(buffer_text(&valid));
}
