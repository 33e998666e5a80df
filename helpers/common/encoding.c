// SPDX-License-Identifier: Apache-2.0
#include "common/encoding.h"
#include "common/byte.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

void encoding_hex(struct slice bytes, char *hex) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        const unsigned char byte = (unsigned char)bytes.data[i];
        hex[2 * i] = digits[byte >> 4];
        hex[2 * i + 1] = digits[byte & 15];
    }
}

bool encoding_append_hex(struct buffer *out, struct slice bytes) {
    char *end = buffer_reserve(out, 2 * bytes.len);
    if (!end) {
        return false;
    }
    encoding_hex(bytes, end);
    buffer_commit(out, 2 * bytes.len);
    return true;
}

bool encoding_append_base64(struct buffer *out, struct slice bytes) {
    // OpenSSL takes an int's worth at a time; a multiple of 3 needs no padding before the end.
    enum { STEP = 48 * 1024 };
    while (bytes.len > 0) {
        const size_t step = bytes.len < STEP ? bytes.len : STEP;
        const size_t length = (step + 2) / 3 * 4;
        char *end = buffer_reserve(out, length);
        if (!end) {
            return false;
        }
        EVP_EncodeBlock((unsigned char *)end, (const unsigned char *)bytes.data, (int)step);
        buffer_commit(out, length);
        bytes = slice_skip(bytes, step);
    }
    return !out->overflowed;
}

static bool is_base64(char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '+' || byte == '/';
}

bool encoding_decode_base64(struct buffer *out, struct slice text, struct error *err) {
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
        padding++;
    }
    bool valid = text.len % 4 == 0;
    for (size_t i = 0; valid && i < text.len - padding; i++) {
        valid = is_base64(text.data[i]);
    }
    if (!valid) {
        return error_set(err, "base64", "not base64");
    }
    enum { STEP = 64 * 1024 };
    while (text.len > 0) {
        const size_t step = text.len < STEP ? text.len : STEP;
        const size_t length = step / 4 * 3;
        char *end = buffer_reserve(out, length);
        if (!end) {
            return buffer_check(out, "base64", err);
        }
        if (EVP_DecodeBlock((unsigned char *)end, (const unsigned char *)text.data, (int)step) !=
            (int)length) {
            return error_set(err, "base64", "not base64");
        }
        text = slice_skip(text, step);
        buffer_commit(out, length);
    }
    buffer_truncate(out, out->len - padding);
    return true;
}

static bool is_unreserved(char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

bool encoding_append_percent(struct buffer *out, struct slice bytes, const char *safe) {
    for (size_t i = 0; i < bytes.len; i++) {
        const char byte = bytes.data[i];
        if (is_unreserved(byte) || (byte != '\0' && strchr(safe, byte))) {
            buffer_append_byte(out, byte);
        } else {
            buffer_appendf(out, "%%%02X", (unsigned)(unsigned char)byte);
        }
    }
    return !out->overflowed;
}

static bool is_continuation(struct slice text, size_t index) {
    return index < text.len && ((unsigned char)text.data[index] & 0xc0) == 0x80;
}

size_t encoding_utf8_length(struct slice text) {
    if (text.len == 0) {
        return 0;
    }
    const unsigned char first = (unsigned char)text.data[0];
    const unsigned char second = text.len > 1 ? (unsigned char)text.data[1] : 0;
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return is_continuation(text, 1) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
        // Neither overlong forms nor surrogates.
        const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f);
        return !bad && is_continuation(text, 1) && is_continuation(text, 2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        // Neither overlong forms nor anything over U+10FFFF.
        const bool bad = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
        return !bad && is_continuation(text, 1) && is_continuation(text, 2) &&
                       is_continuation(text, 3)
                   ? 4
                   : 0;
    }
    return 0;
}

bool encoding_append_valid_utf8(struct buffer *out, struct slice text) {
    while (text.len > 0) {
        const size_t length = encoding_utf8_length(text);
        if (length == 0) {
            buffer_append_text(out, "\xef\xbf\xbd");
            text = slice_skip(text, 1);
        } else {
            buffer_append(out, slice_make(text.data, length));
            text = slice_skip(text, length);
        }
    }
    return !out->overflowed;
}

bool encoding_append_printable(struct buffer *out, struct slice text) {
    bool fits = true;
    for (size_t i = 0; i < text.len; i++) {
        const char byte = text.data[i];
        fits = byte_is_control(byte) ? buffer_appendf(out, "\\x%02x", (unsigned)byte)
                                     : buffer_append_byte(out, byte);
    }
    return fits;
}
