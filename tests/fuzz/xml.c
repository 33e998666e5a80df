// SPDX-License-Identifier: Apache-2.0
/// AWS answers in XML, times, base64 and integers: text that others send.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/encoding.h"
#include "common/timestamp.h"
#include "common/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice input = slice_make(data, size);
    struct error err;
    cleanup_buffer struct buffer text = BUFFER_INIT(16 << 20);
    (void)xml_element_text(input, "Code", &text, &err);
    int64_t number = 0;
    if (timestamp_parse(input, &number)) {
        int64_t again = 0;
        const struct timestamp time = timestamp_rfc3339(number);
        const bool in_range = number >= -62167219200000 && number <= 253402300799999;
        if (!timestamp_parse(slice_text(time.text), &again) || (in_range && again != number)) {
            abort();
        }
    }
    (void)slice_parse_integer(input, &number);
    buffer_reset(&text);
    cleanup_buffer struct buffer back = BUFFER_INIT(16 << 20);
    if (!encoding_append_base64(&text, input) ||
        !encoding_decode_base64(&back, buffer_slice(&text), &err) ||
        !slice_equal(buffer_slice(&back), input)) {
        abort();
    }
    buffer_reset(&text);
    (void)encoding_decode_base64(&text, input, &err);
    return 0;
}
