// SPDX-License-Identifier: Apache-2.0
/// The shared config files, their blocks, and command lines in them.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/aws/chain/config_file.h"
#include "common/aws/chain/words.h"

static void look_at(const struct config_section *section) {
    free(config_section_name(section, "profile"));
    for (size_t i = 0; i < section->count; i++) {
        const char *value = section->properties[i].value;
        // Each key is there once, and what was read is found again.
        if (config_section_get(section, section->properties[i].key) != value) {
            abort();
        }
        free(config_block_get(value, "endpoint_url"));
        cleanup_words struct words words = {0};
        struct error err;
        if (words_split(slice_text(value), &words, &err) && words.items[words.count] != NULL) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_config_file struct config_file file = {0};
    struct error err;
    if (!config_file_parse(slice_make(data, size), "fuzz", &file, &err)) {
        return 0;
    }
    for (size_t i = 0; i < file.count; i++) {
        look_at(&file.sections[i]);
        if (config_file_find(&file, NULL, file.sections[i].title) != &file.sections[i]) {
            abort();
        }
    }
    return 0;
}
