// SPDX-License-Identifier: Apache-2.0
/// URLs in messages, and the question whether one is loopback.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_free char *url = slice_copy(slice_make(data, size));
    (void)http_url_is_loopback(url);
    cleanup_buffer struct buffer text = BUFFER_INIT(16 << 20);
    http_url_append_plain(&text, url);
    const struct slice shown = buffer_slice(&text);
    for (size_t i = 0; i < shown.len; i++) {
        if (shown.data[i] <= 0x20 || shown.data[i] >= 0x7f || shown.data[i] == '#') {
            abort();
        }
    }
    return 0;
}
