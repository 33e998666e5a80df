// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_head.h"

#include <stddef.h>

#include "common/array.h"

bool http_head_next(struct slice head, struct slice *rest, struct slice *name,
                    struct slice *value) {
    if (!rest->data) {
        *rest = head;
    }
    struct slice line;
    while (rest->len > 0 && slice_split(rest, '\n', &line)) {
        if (!rest->data) {
            // The last one: an empty rest at the end, so that a further call does not begin anew.
            *rest = slice_make(head.data + head.len, 0);
        }
        const size_t colon = slice_find(line, ':');
        if (colon > 0 && colon < line.len) {
            *name = slice_trim(slice_make(line.data, colon));
            *value = slice_trim(slice_skip(line, colon + 1));
            return true;
        }
    }
    return false;
}

bool http_head_find(struct slice head, struct slice name, struct slice *value) {
    struct slice rest = {0};
    struct slice found;
    while (http_head_next(head, &rest, &found, value)) {
        if (slice_equal_ignoring_case(found, name)) {
            return true;
        }
    }
    *value = (struct slice){0};
    return false;
}

bool http_header_is_valid(struct slice name, struct slice value) {
    bool valid = name.len > 0 && slice_is_word(name, "!#$%&'*+-.^_`|~");
    for (size_t i = 0; i < value.len; i++) {
        const char byte = value.data[i];
        valid = valid && byte != '\r' && byte != '\n' && byte != '\0';
    }
    return valid;
}

bool http_header_is_passed_on(struct slice name) {
    static const char *const kept_back[] = {
        "Alt-Svc",
        "Connection",
        "Content-Length",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(kept_back); i++) {
        if (slice_equal_ignoring_case(name, slice_text(kept_back[i]))) {
            return false;
        }
    }
    return true;
}
