// SPDX-License-Identifier: Apache-2.0
/// Bytes as text and back: hexadecimal, base64, percent encoding, UTF-8.
///
/// What appends returns false only if the buffer's maximum is reached (see buffer_check).
#pragma once

#include "common/buffer.h"

/// Lower-case hexadecimal: twice as many characters to `hex`, without a NUL.
void encoding_hex(struct slice bytes, char *hex);
/// The same.
bool encoding_append_hex(struct buffer *out, struct slice bytes);
/// RFC 4648 base64 with padding, on one line.
bool encoding_append_base64(struct buffer *out, struct slice bytes);
/// Decodes what encoding_append_base64 makes. Refuses (code "base64") other characters, blanks and
/// line ends included, a wrong length, and padding in the wrong place.
bool encoding_decode_base64(struct buffer *out, struct slice text, struct error *err);
/// %XX for all but RFC 3986's unreserved characters and those in `safe`.
bool encoding_append_percent(struct buffer *out, struct slice bytes, const char *safe);
/// Appends the text with every byte that is no part of valid UTF-8 replaced by U+FFFD.
bool encoding_append_valid_utf8(struct buffer *out, struct slice text);
/// Appends the text with every control character visible ("\x1b"), so that nobody's bytes steer a
/// terminal or begin a line.
bool encoding_append_printable(struct buffer *out, struct slice text);
/// The length of the valid UTF-8 sequence at the front (1 to 4), 0 if there is none.
size_t encoding_utf8_length(struct slice text);
