// SPDX-License-Identifier: Apache-2.0
/// Recipes: any bytes are either refused or give files of which each has exactly one source.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "layer-packer/recipe.h"

static void check(const struct recipe *recipe) {
    for (size_t i = 0; i < recipe->count; i++) {
        const struct recipe_file *file = &recipe->files[i];
        const int sources = (file->source != NULL) + (file->link != NULL) + (file->url != NULL);
        if (file->path == NULL || file->path[0] == '\0' || sources != 1) {
            abort();
        }
        if (file->url != NULL && (file->sha256 == NULL || strlen(file->sha256) != 64)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum arch arches[] = {ARCH_NONE, ARCH_X86_64, ARCH_ARM64};
    for (size_t i = 0; i < sizeof(arches) / sizeof(*arches); i++) {
        struct error err;
        cleanup_recipe struct recipe recipe = {0};
        if (recipe_parse(slice_make(data, size), "recipe", "folder", arches[i], &recipe, &err)) {
            check(&recipe);
        }
    }
    return 0;
}
