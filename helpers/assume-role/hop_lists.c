// SPDX-License-Identifier: Apache-2.0
/// Values in the aws CLI's forms: shorthand, JSON, file://.
#include "assume-role/hops.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/system/files.h"

/// More than STS takes of anything.
static const size_t LARGEST_OPTION_VALUE = (size_t)256 << 10;

/// Keeps a copy of the text with the hops.
static const char *keep(struct hops *hops, struct slice text) {
    hops->texts = xreallocarray((void *)hops->texts, hops->text_count + 1, sizeof(*hops->texts));
    return hops->texts[hops->text_count++] = slice_copy(text);
}

/// Appends the value, or the content of the file that it names.
static bool load(const char *value, struct buffer *out, struct error *err) {
    static const struct slice scheme = {.data = "file://", .len = 7};
    if (slice_starts_with(slice_text(value), scheme)) {
        if (!files_read_within(value + scheme.len, STS_TOKEN_WAIT_MS, out, err)) {
            return false;
        }
    } else {
        buffer_append_text(out, value);
    }
    if (slice_find(buffer_slice(out), '\0') < out->len) {
        return error_set(err, "usage", "it holds a NUL");
    }
    return buffer_check(out, "the value", err);
}

/// Called for each element of a list: a JSON value, or a word where `json` is NULL.
typedef bool (*add_function)(struct hops *hops, struct hop *hop, const struct json *json,
                             struct slice word, struct error *err);

/// Goes through a list of either form.
static bool each(struct hops *hops, const char *value, add_function add, struct error *err) {
    struct hop *hop = hops_last(hops, err);
    cleanup_buffer struct buffer content = BUFFER_INIT(LARGEST_OPTION_VALUE);
    if (!hop || !load(value, &content, err)) {
        return false;
    }
    const struct slice text = slice_trim(buffer_slice(&content));
    if (!slice_starts_with(text, SLICE("[")) && !slice_starts_with(text, SLICE("{"))) {
        return add(hops, hop, NULL, text, err);
    }
    cleanup_json_document struct json_document document = {0};
    if (!json_parse(text, "list", &document, err)) {
        return false;
    }
    if (!cJSON_IsArray(document.root.node)) {
        return add(hops, hop, &document.root, text, err);
    }
    struct json_iterator it = {0};
    while (json_each(&document.root, &it)) {
        if (!add(hops, hop, &it.value, text, err)) {
            return false;
        }
    }
    return true;
}

/// Without one pair of quotes around it.
static struct slice unquote(struct slice text) {
    if (text.len >= 2 && (text.data[0] == '"' || text.data[0] == '\'') &&
        text.data[text.len - 1] == text.data[0]) {
        return slice_make(text.data + 1, text.len - 2);
    }
    return text;
}

/// "Key=a,Value=b", in either order.
static bool split_tag(struct slice word, struct slice *key, struct slice *value) {
    struct slice part;
    while (slice_split(&word, ',', &part)) {
        part = slice_trim(part);
        const size_t equals = slice_find(part, '=');
        struct slice *target = NULL;
        if (slice_starts_with(part, SLICE("Key=")) && !key->data) {
            target = key;
        } else if (slice_starts_with(part, SLICE("Value=")) && !value->data) {
            target = value;
        } else {
            return false;
        }
        *target = unquote(slice_skip(part, equals + 1));
    }
    return key->data && value->data;
}

static bool add_tag(struct hops *hops, struct hop *hop, const struct json *json, struct slice word,
                    struct error *err) {
    struct slice key = {0};
    struct slice value = {0};
    if (json) {
        if (!json_as_object(json, err) || !json_get_string(json, "Key", &key, err) ||
            !json_get_string(json, "Value", &value, err)) {
            return false;
        }
    } else if (!split_tag(word, &key, &value)) {
        return error_set(err, "usage",
                         "expected Key=NAME,Value=TEXT or a JSON list of such, not \"%.200s\"",
                         word.data);
    }
    const size_t count = hop->assume.tag_count;
    hop->tags = xreallocarray(hop->tags, count + 1, sizeof(*hop->tags));
    hop->tags[count] = (struct sts_tag){.key = keep(hops, key), .value = keep(hops, value)};
    hop->assume.tags = hop->tags;
    hop->assume.tag_count = count + 1;
    return true;
}

static const char **append_text(const char **list, size_t *count, const char *text) {
    list = xreallocarray((void *)list, *count + 1, sizeof(*list));
    list[(*count)++] = text;
    return list;
}

static bool add_policy_arn(struct hops *hops, struct hop *hop, const struct json *json,
                           struct slice word, struct error *err) {
    struct slice arn = unquote(slice_starts_with(word, SLICE("arn=")) ? slice_skip(word, 4) : word);
    if (json && cJSON_IsObject(json->node)) {
        if (!json_get_string(json, "arn", &arn, err)) {
            return false;
        }
    } else if (json && !json_as_string(json, &arn, err)) {
        return false;
    }
    hop->policy_arns =
        append_text(hop->policy_arns, &hop->assume.policy_arn_count, keep(hops, arn));
    hop->assume.policy_arns = hop->policy_arns;
    return true;
}

static bool add_transitive_key(struct hops *hops, struct hop *hop, const struct json *json,
                               struct slice word, struct error *err) {
    struct slice key = unquote(word);
    if (json && !json_as_string(json, &key, err)) {
        return false;
    }
    hop->transitive_keys =
        append_text(hop->transitive_keys, &hop->assume.transitive_key_count, keep(hops, key));
    hop->assume.transitive_keys = hop->transitive_keys;
    return true;
}

bool hops_add_tags(struct hops *hops, const char *value, struct error *err) {
    return each(hops, value, add_tag, err);
}

bool hops_add_policy_arns(struct hops *hops, const char *value, struct error *err) {
    return each(hops, value, add_policy_arn, err);
}

bool hops_add_transitive_keys(struct hops *hops, const char *value, struct error *err) {
    return each(hops, value, add_transitive_key, err);
}

bool hops_set_policy(struct hops *hops, const char *value, struct error *err) {
    struct hop *hop = hops_last(hops, err);
    cleanup_buffer struct buffer content = BUFFER_INIT(LARGEST_OPTION_VALUE);
    cleanup_json_document struct json_document document = {0};
    if (!hop || !load(value, &content, err) ||
        !json_parse(slice_trim(buffer_slice(&content)), "policy", &document, err) ||
        !json_as_object(&document.root, err)) {
        return false;
    }
    hop->assume.policy = keep(hops, buffer_slice(&content));
    return true;
}
