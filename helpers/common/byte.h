// SPDX-License-Identifier: Apache-2.0
/// What a byte is in ASCII, whatever the locale and the sign of `char`.
#pragma once

#include <stdbool.h>

/// NUL to US, and DEL.
static inline bool byte_is_control(char byte) {
    return (unsigned char)byte < ' ' || byte == 0x7f;
}

/// Prints, and is not the blank.
static inline bool byte_is_visible(char byte) {
    return byte > ' ' && byte <= '~';
}
