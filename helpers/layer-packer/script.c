// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/script.h"

static const struct slice MAGIC = SLICE("#!");
static const struct slice BYTE_ORDER_MARK = SLICE("\xef\xbb\xbf");

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static struct slice skip_blanks(struct slice text) {
    while (text.len > 0 && is_blank(text.data[0])) {
        text = slice_skip(text, 1);
    }
    return text;
}

static struct slice trim_blanks(struct slice text) {
    text = skip_blanks(text);
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/// Cuts the first word off.
static struct slice take_word(struct slice *text) {
    struct slice word = {.data = text->data};
    while (word.len < text->len && !is_blank(text->data[word.len])) {
        word.len++;
    }
    *text = skip_blanks(slice_skip(*text, word.len));
    return word;
}

bool script_is(struct slice head) {
    if (slice_starts_with(head, BYTE_ORDER_MARK)) {
        head = slice_skip(head, BYTE_ORDER_MARK.len);
    }
    return slice_starts_with(head, MAGIC);
}

const char *script_parse(struct slice head, struct script *script) {
    *script = (struct script){0};
    if (!slice_starts_with(head, MAGIC)) {
        return "begins with a byte order mark, so that the kernel does not see its #! line: save "
               "it "
               "as UTF-8 without one";
    }
    const size_t end = slice_find(head, '\n');
    if (end == head.len && head.len >= SCRIPT_HEAD) {
        return "its #! line is longer than the 255 bytes that the kernel reads: name a shorter "
               "path";
    }
    struct slice line = slice_make(head.data + MAGIC.len, end - MAGIC.len);
    if (slice_ends_with(line, SLICE("\r"))) {
        return "its #! line ends in a carriage return, which the kernel takes for a letter of the "
               "name: save the file with line ends of Unix (LF), not of Windows (CRLF)";
    }
    line = trim_blanks(line);
    script->interpreter = take_word(&line);
    script->argument = line;
    if (script->interpreter.len == 0) {
        return "its #! line does not name an interpreter";
    }
    return script->interpreter.data[0] == '/'
               ? NULL
               : "its #! line names an interpreter without its whole path, which must begin with /";
}

static bool is_assignment(struct slice word) {
    return slice_find(word, '=') < word.len;
}

const char *script_parse_env(struct slice argument, struct slice *program) {
    static const struct slice splits[] = {SLICE("-S"), SLICE("--split-string=")};
    bool split = false;
    *program = SLICE("");
    for (size_t i = 0; i < sizeof(splits) / sizeof(*splits) && !split; i++) {
        split = slice_starts_with(argument, splits[i]);
        argument = split ? skip_blanks(slice_skip(argument, splits[i].len)) : argument;
    }
    struct slice rest = argument;
    struct slice word = take_word(&rest);
    if (!split && rest.len > 0) {
        return "its #! line gives env several words, which the kernel hands over as one: write "
               "env -S before them";
    }
    while (is_assignment(word) || slice_equal_text(word, "-i") || slice_equal_text(word, "-")) {
        word = take_word(&rest);
    }
    // Another option may take the next word.
    *program = word.len > 0 && word.data[0] == '-' ? SLICE("") : word;
    return NULL;
}
