// SPDX-License-Identifier: Apache-2.0
#include "common/aws/chain/words.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/wipe.h"

void words_clean_up(struct words *words) {
    for (size_t i = 0; i < words->count; i++) {
        wipe_free(words->items[i]);
    }
    free(words->items);
    *words = (struct words){0};
}

static void add_word(struct words *words, const struct buffer *word) {
    words->items = xreallocarray(words->items, words->count + 2, sizeof(*words->items));
    words->items[words->count++] = slice_copy(buffer_slice(word));
    words->items[words->count] = NULL;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/// Appends the quoted part at the front of `*rest`, which begins with its quote, and skips it.
static bool take_quoted(struct slice *rest, struct buffer *word, struct error *err) {
    const char quote = rest->data[0];
    *rest = slice_skip(*rest, 1);
    while (rest->len > 0 && rest->data[0] != quote) {
        // Within double quotes a backslash stands for itself but in front of these two.
        if (quote == '"' && rest->data[0] == '\\' && rest->len > 1 &&
            (rest->data[1] == '"' || rest->data[1] == '\\')) {
            *rest = slice_skip(*rest, 1);
        }
        buffer_append_byte(word, rest->data[0]);
        *rest = slice_skip(*rest, 1);
    }
    if (rest->len == 0) {
        return error_set(err, "words", "a %c is not closed", quote);
    }
    *rest = slice_skip(*rest, 1);
    return true;
}

/// Appends what the front of `*rest` gives to the word, and skips it.
static bool take_part(struct slice *rest, struct buffer *word, struct error *err) {
    if (rest->data[0] == '\'' || rest->data[0] == '"') {
        return take_quoted(rest, word, err);
    }
    if (rest->data[0] == '\\') {
        *rest = slice_skip(*rest, 1);
        if (rest->len == 0) {
            return error_set(err, "words", "a backslash stands at the end");
        }
    }
    buffer_append_byte(word, rest->data[0]);
    *rest = slice_skip(*rest, 1);
    return true;
}

bool words_split(struct slice text, struct words *words, struct error *err) {
    *words = (struct words){.items = xcalloc(1, sizeof(char *))};
    cleanup_buffer struct buffer word = BUFFER_INIT_SENSITIVE(text.len + 1);
    struct slice rest = text;
    while (rest.len > 0) {
        if (is_blank(rest.data[0])) {
            rest = slice_skip(rest, 1);
            continue;
        }
        buffer_reset(&word);
        while (rest.len > 0 && !is_blank(rest.data[0])) {
            if (!take_part(&rest, &word, err)) {
                return false;
            }
        }
        add_word(words, &word);
    }
    return true;
}
