// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "layer-packer/commands.h"
#include "layer-packer/recipe.h"

static bool fetch(const char *path, enum arch arch, size_t *files, size_t *downloads,
                  struct error *err) {
    cleanup_recipe struct recipe recipe = {0};
    if (!recipe_read(path, arch, &recipe, err) || !recipe_fetch(&recipe, downloads, err)) {
        return false;
    }
    for (size_t i = 0; i < recipe.count; i++) {
        *files += recipe.files[i].url ? 1 : 0;
    }
    return true;
}

/// For `arch`, or for every architecture that the recipe names.
static bool fetch_all(const char *path, enum arch arch, size_t *files, size_t *downloads,
                      struct error *err) {
    unsigned set = 0;
    if (arch != ARCH_NONE) {
        return fetch(path, arch, files, downloads, err);
    }
    if (!recipe_architectures(path, &set, err)) {
        return false;
    }
    for (enum arch each = ARCH_X86_64; each <= ARCH_ARM64; each++) {
        if ((set & 1U << each) != 0 && !fetch(path, each, files, downloads, err)) {
            return false;
        }
    }
    return true;
}

struct arguments {
    const char *recipe;
    enum arch arch;
};

static const struct option_spec specs[] = {
    {.name = "recipe",
     .value = "FILE",
     .help = "The layer.json.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, recipe)},
    {.name = "arch",
     .value = "ARCH",
     .help = "x86_64 or arm64 (all that the recipe names).",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, arch),
     .call = command_set_arch},
    {0},
};
static const struct options options = {
    .program = "layer-packer fetch",
    .synopsis = "--recipe FILE [--arch ARCH]",
    .summary = "Downloads what a recipe takes by URL, so that pack then needs no network. What "
               "was cut is resumed; a file gets its name when its SHA-256 was proven.",
    .specs = specs,
    .footer = "The cache is $XDG_CACHE_HOME/runlet/downloads, else ~/.cache/runlet/downloads.\n"
              "URLs are https; plain http is taken from loopback only.\n",
};

int command_fetch(int argc, char **argv) {
    struct arguments arguments = {.arch = ARCH_NONE};
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "fetch", argc, argv, &arguments, &operands, &code)) {
        return code;
    }
    const char *recipe = arguments.recipe;
    if (!recipe || operands.count > 0) {
        error_set(&err, "usage", "name --recipe FILE and nothing else");
        return command_misused("fetch", &err);
    }
    size_t files = 0;
    size_t downloads = 0;
    if (!fetch_all(recipe, arguments.arch, &files, &downloads, &err)) {
        error_prefix(&err, "cannot fetch for %s", recipe);
        return command_failed(&err);
    }
    printf("%s: %zu %s in the cache, %zu downloaded now\n", recipe, files,
           files == 1 ? "file" : "files", downloads);
    return command_done();
}
