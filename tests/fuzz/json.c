// SPDX-License-Identifier: Apache-2.0
/// JSON: any bytes are either refused or give a tree that prints and parses to the same text.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/json.h"

static void walk(const struct json *value) {
    struct error err;
    struct slice text;
    int64_t number = 0;
    (void)json_as_string(value, &text, &err);
    (void)json_as_integer(value, &number, &err);
    struct json_iterator it = {0};
    while (json_each(value, &it)) {
        walk(&it.value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error err;
    cleanup_json_document struct json_document document = {0};
    if (!json_parse(slice_make(data, size), "input", &document, &err)) {
        return 0;
    }
    walk(&document.root);
    cleanup_buffer struct buffer once = BUFFER_INIT(16 << 20);
    cleanup_buffer struct buffer twice = BUFFER_INIT(16 << 20);
    cleanup_json_document struct json_document again = {0};
    if (!json_print(document.root.node, &once, &err) ||
        !json_parse(buffer_slice(&once), "printed", &again, &err) ||
        !json_print(again.root.node, &twice, &err) ||
        !slice_equal(buffer_slice(&once), buffer_slice(&twice))) {
        abort();
    }
    cleanup_buffer struct buffer string = BUFFER_INIT(16 << 20);
    cleanup_json_document struct json_document quoted = {0};
    json_append_string(&string, slice_make(data, size));
    // A NUL is written as the escape that json_parse refuses.
    if (slice_find(slice_make(data, size), '\0') == size &&
        !json_parse(buffer_slice(&string), "string", &quoted, &err)) {
        abort();
    }
    return 0;
}
