// SPDX-License-Identifier: Apache-2.0
#include "common/json.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "common/alloc.h"
#include "common/encoding.h"
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

/// Where json_check is in the text.
struct scan {
    bool in_string;
    size_t depth;
};

/// Looks at one byte, and at what follows it after a backslash. Returns how many bytes it took, or
/// 0 with an error.
static size_t scan_byte(struct scan *scan, struct slice rest, const char *name, struct error *err) {
    const char byte = rest.data[0];
    const bool control = (unsigned char)byte < 0x20;
    if (!scan->in_string) {
        if (control && byte != '\t' && byte != '\n' && byte != '\r') {
            error_set(err, "json", "%s: a control character between the values", name);
            return 0;
        }
        scan->in_string = byte == '"';
        scan->depth += byte == '{' || byte == '[' ? 1U : 0U;
        scan->depth -= (byte == '}' || byte == ']') && scan->depth > 0 ? 1U : 0U;
        if (scan->depth > JSON_MAX_DEPTH) {
            error_set(err, "json", "%s: nested deeper than %d", name, JSON_MAX_DEPTH);
            return 0;
        }
        return 1;
    }
    if (byte == '"') {
        scan->in_string = false;
    } else if (control) {
        error_set(err, "json", "%s: a string holds an unescaped control character", name);
        return 0;
    } else if (byte == '\\') {
        if (slice_starts_with(rest, SLICE("\\u0000"))) {
            error_set(err, "json", "%s: a string holds \\u0000", name);
            return 0;
        }
        return rest.len > 1 ? 2 : 1;
    }
    return 1;
}

/// Refuses what cJSON would take and should not, before it sees it.
static bool check_text(struct slice text, const char *name, struct error *err) {
    struct scan scan = {0};
    while (text.len > 0) {
        const size_t taken = scan_byte(&scan, text, name, err);
        if (taken == 0) {
            return false;
        }
        text = slice_skip(text, taken);
    }
    return true;
}

static bool only_blanks(const char *start, const char *end) {
    for (; start < end; start++) {
        if (*start != ' ' && *start != '\t' && *start != '\r' && *start != '\n') {
            return false;
        }
    }
    return true;
}

bool json_parse(struct slice text, const char *name, struct json_document *document,
                struct error *err) {
    json_initialise();
    *document = (struct json_document){0};
    if (text.len == 0) {
        return error_set(err, "json", "%s: empty, expected JSON", name);
    }
    if (!check_text(text, name, err)) {
        return false;
    }
    const char *end = NULL;
    cJSON *node = cJSON_ParseWithLengthOpts(text.data, text.len, &end, false);
    if (!node) {
        const size_t offset = end >= text.data ? (size_t)(end - text.data) : 0;
        return error_set(err, "json", "%s: not JSON, from byte %zu on", name, offset);
    }
    if (!only_blanks(end, text.data + text.len)) {
        cJSON_Delete(node);
        return error_set(err, "json", "%s: something follows the JSON value, at byte %zu", name,
                         (size_t)(end - text.data));
    }
    document->root.node = node;
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
