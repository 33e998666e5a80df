// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/settings/mirror_source.h"

#include <stdlib.h>

void mirror_source_clean_up(struct mirror_source *source) {
    free(source->folder);
    free(source->bucket);
    free(source->key);
    free(source->sha256);
    *source = (struct mirror_source){0};
}

static bool only_has(struct slice text, const char *characters) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || !strchr(characters, text.data[i])) {
            return false;
        }
    }
    return true;
}

/// A path whose parts are names: a client or a server would take "." and ".." away.
static bool has_plain_parts(struct slice path) {
    struct slice part;
    while (slice_split(&path, '/', &part)) {
        if (part.len == 0 || slice_equal_text(part, ".") || slice_equal_text(part, "..")) {
            return false;
        }
    }
    return true;
}

static bool read_object(struct slice rest, struct mirror_source *source, struct error *err) {
    struct slice bucket;
    if (!slice_split(&rest, '/', &bucket) || bucket.len < 3 || bucket.len > 63 ||
        !only_has(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-")) {
        return error_set(err, "form", "does not have the name of a bucket after s3://");
    }
    if (rest.len == 0 || rest.len > 1024 || !has_plain_parts(rest) || slice_has_control(rest)) {
        return error_set(err, "form", "does not have the key of an object after the bucket");
    }
    source->bucket = slice_copy(bucket);
    source->key = slice_copy(rest);
    return true;
}

bool mirror_source_read(struct slice text, struct mirror_source *source, struct error *err) {
    static const struct slice scheme = {.data = "s3://", .len = 5};
    if (slice_starts_with(text, scheme)) {
        return read_object(slice_skip(text, scheme.len), source, err);
    }
    if (!slice_starts_with(text, SLICE("/"))) {
        return error_set(err, "form", "is neither an absolute path nor an address in S3");
    }
    if (!has_plain_parts(slice_skip(text, 1)) || !slice_is_word(text, "._-+:/")) {
        return error_set(err, "form", "is not a plain path of letters, digits and ._-+:");
    }
    if (slice_equal_text(text, "/tmp") || slice_starts_with(text, SLICE("/tmp/"))) {
        return error_set(err, "form", "is in /tmp, which is emptied");
    }
    source->folder = slice_copy(text);
    return true;
}

bool mirror_source_read_sha256(struct slice text, struct mirror_source *source, struct error *err) {
    if (text.len != 64 || !only_has(text, "0123456789abcdefABCDEF")) {
        return error_set(err, "form", "is not a SHA-256");
    }
    source->sha256 = slice_copy(text);
    for (char *c = source->sha256; *c; c++) {
        *c = *c >= 'A' && *c <= 'F' ? (char)(*c - 'A' + 'a') : *c;
    }
    return true;
}
