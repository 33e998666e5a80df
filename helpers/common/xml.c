// SPDX-License-Identifier: Apache-2.0
#include "common/xml.h"

#include "common/array.h"

/// What the scanner stands on.
enum token { TOKEN_START, TOKEN_EMPTY_ELEMENT, TOKEN_OTHER, TOKEN_NONE, TOKEN_BROKEN };

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/// The index behind the first `end` in the text, or 0 if there is none.
static size_t behind(struct slice text, struct slice end) {
    for (size_t i = 0; i + end.len <= text.len; i++) {
        if (slice_starts_with(slice_skip(text, i), end)) {
            return i + end.len;
        }
    }
    return 0;
}

/// The index behind the ">" of a tag, quotes in it observed, or 0 if there is none.
static size_t behind_tag(struct slice text) {
    char quote = '\0';
    for (size_t i = 0; i < text.len; i++) {
        const char byte = text.data[i];
        if (quote != '\0') {
            quote = byte == quote ? '\0' : quote;
        } else if (byte == '"' || byte == '\'') {
            quote = byte;
        } else if (byte == '>') {
            return i + 1;
        }
    }
    return 0;
}

/// Takes everything up to and including the next tag off the front of `*rest`; for a start tag its
/// name is given.
static enum token next_tag(struct slice *rest, struct slice *name) {
    static const struct {
        const char *begin;
        const char *end;
    } skipped[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!", ">"}, {"</", ">"}};
    *rest = slice_skip(*rest, slice_find(*rest, '<'));
    if (rest->len == 0) {
        return TOKEN_NONE;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(skipped); i++) {
        if (slice_starts_with(*rest, slice_text(skipped[i].begin))) {
            const size_t length = behind(*rest, slice_text(skipped[i].end));
            *rest = slice_skip(*rest, length);
            return length > 0 ? TOKEN_OTHER : TOKEN_BROKEN;
        }
    }
    const size_t length = behind_tag(*rest);
    if (length < 3) {
        return TOKEN_BROKEN;
    }
    const struct slice tag = slice_make(rest->data + 1, length - 2);
    size_t end = 0;
    while (end < tag.len && !is_blank(tag.data[end]) && tag.data[end] != '/') {
        end++;
    }
    *name = slice_make(tag.data, end);
    *rest = slice_skip(*rest, length);
    return slice_ends_with(tag, SLICE("/")) ? TOKEN_EMPTY_ELEMENT : TOKEN_START;
}

static void append_code_point(struct buffer *out, uint32_t point) {
    if (point < 0x80) {
        buffer_append_byte(out, (char)point);
        return;
    }
    if (point < 0x800) {
        buffer_append_byte(out, (char)(0xc0U | (point >> 6)));
    } else {
        if (point < 0x10000) {
            buffer_append_byte(out, (char)(0xe0U | (point >> 12)));
        } else {
            buffer_append_byte(out, (char)(0xf0U | (point >> 18)));
            buffer_append_byte(out, (char)(0x80U | ((point >> 12) & 0x3fU)));
        }
        buffer_append_byte(out, (char)(0x80U | ((point >> 6) & 0x3fU)));
    }
    buffer_append_byte(out, (char)(0x80U | (point & 0x3fU)));
}

/// "#65" or "#x41"; false if it is no character that a text may have.
static bool append_reference(struct buffer *out, struct slice digits) {
    const bool hexadecimal = digits.len > 0 && digits.data[0] == 'x';
    digits = slice_skip(digits, hexadecimal ? 1 : 0);
    const uint32_t base = hexadecimal ? 16 : 10;
    uint32_t point = 0;
    for (size_t i = 0; i < digits.len; i++) {
        const char byte = digits.data[i];
        uint32_t digit = 99;
        if (byte >= '0' && byte <= '9') {
            digit = (uint32_t)(byte - '0');
        } else if (byte >= 'a' && byte <= 'f') {
            digit = (uint32_t)(byte - 'a') + 10;
        } else if (byte >= 'A' && byte <= 'F') {
            digit = (uint32_t)(byte - 'A') + 10;
        }
        if (digit >= base) {
            return false;
        }
        point = point * base + digit;
        if (point > 0x10ffff) {
            return false;
        }
    }
    if (digits.len == 0 || point == 0 || (point >= 0xd800 && point < 0xe000)) {
        return false;
    }
    append_code_point(out, point);
    return true;
}

static bool append_entity(struct buffer *out, struct slice name) {
    static const struct {
        const char *name;
        char byte;
    } entities[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    if (slice_starts_with(name, SLICE("#"))) {
        return append_reference(out, slice_skip(name, 1));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(entities); i++) {
        if (slice_equal_text(name, entities[i].name)) {
            return buffer_append_byte(out, entities[i].byte);
        }
    }
    return false;
}

static bool append_decoded(struct buffer *out, struct slice text, const char *name,
                           struct error *err) {
    while (text.len > 0) {
        const size_t plain = slice_find(text, '&');
        buffer_append(out, slice_make(text.data, plain));
        text = slice_skip(text, plain);
        if (text.len == 0) {
            break;
        }
        const size_t end = slice_find(text, ';');
        if (end == text.len || !append_entity(out, slice_make(text.data + 1, end - 1))) {
            return error_set(err, "xml", "%s: a broken or unknown entity", name);
        }
        text = slice_skip(text, end + 1);
    }
    return buffer_check(out, name, err);
}

/// Goes to the first element of that name; `*rest` is what follows its start tag.
static enum token find_element(struct slice *rest, const char *wanted) {
    for (;;) {
        struct slice name = {0};
        const enum token token = next_tag(rest, &name);
        if (token == TOKEN_NONE || token == TOKEN_BROKEN) {
            return token;
        }
        if (token != TOKEN_OTHER && slice_equal_text(name, wanted)) {
            return token;
        }
    }
}

/// Appends text and CDATA sections up to the next tag, and skips them.
static bool append_content(struct buffer *out, struct slice *rest, const char *name,
                           struct error *err) {
    const struct slice begin = SLICE("<![CDATA[");
    const struct slice end = SLICE("]]>");
    for (;;) {
        const struct slice plain = slice_make(rest->data, slice_find(*rest, '<'));
        *rest = slice_skip(*rest, plain.len);
        if (!append_decoded(out, plain, name, err)) {
            return false;
        }
        const size_t length = slice_starts_with(*rest, begin) ? behind(*rest, end) : 0;
        if (length == 0) {
            return true;
        }
        buffer_append(out, slice_make(rest->data + begin.len, length - begin.len - end.len));
        *rest = slice_skip(*rest, length);
    }
}

bool xml_element_text(struct slice document, const char *name, struct buffer *text,
                      struct error *err) {
    struct slice rest = document;
    const enum token token = find_element(&rest, name);
    if (token == TOKEN_EMPTY_ELEMENT) {
        return true;
    }
    if (token != TOKEN_START) {
        return error_set(err, "xml", "%s: %s", name,
                         token == TOKEN_BROKEN ? "the XML is broken" : "no such element");
    }
    if (!append_content(text, &rest, name, err)) {
        return false;
    }
    const struct slice closing = slice_skip(rest, 2 + strlen(name));
    if (!slice_starts_with(rest, SLICE("</")) ||
        !slice_starts_with(slice_skip(rest, 2), slice_text(name)) ||
        !slice_starts_with(slice_trim(closing), SLICE(">"))) {
        return error_set(err, "xml", "%s: expected text and the end of the element", name);
    }
    return true;
}
