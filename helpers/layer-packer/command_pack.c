// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "layer-packer/archive.h"
#include "layer-packer/collect.h"
#include "layer-packer/commands.h"
#include "layer-packer/links.h"
#include "layer-packer/output.h"
#include "layer-packer/programs.h"
#include "layer-packer/recipe.h"
#include "layer-packer/summary.h"
#include "layer-packer/tree.h"

enum {
    /// Smaller than zip -9 at more than ten times its speed: tests/bench/packer.py.
    DEFAULT_LEVEL = 7,
    MAX_THREADS = 256,
};

struct settings {
    const char *output;
    const char *recipe;
    struct programs_options programs;
    int64_t level;
    int64_t jobs;
    int64_t max_unzipped_size;
    bool json;
    const struct options_operands *sources;
};

static void settings_clean_up(struct settings *settings) {
    provided_more_clean_up(&settings->programs.more);
}

/// The processors that we may run on.
static int64_t processors(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    const int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count < MAX_THREADS ? count : MAX_THREADS;
}

static bool collect(struct settings *settings, struct tree *tree, struct error *err) {
    struct collect_output output = {0};
    if (!collect_find_output(settings->output, &output, err)) {
        return false;
    }
    if (settings->recipe) {
        cleanup_recipe struct recipe recipe = {0};
        if (!recipe_read(settings->recipe, settings->programs.arch, &recipe, err)) {
            return false;
        }
        settings->programs.arch = recipe.arch;
        return recipe_collect(&recipe, tree, &output, (uint64_t)settings->max_unzipped_size, err);
    }
    for (size_t i = 0; i < settings->sources->count; i++) {
        if (!collect_source(tree, settings->sources->items[i], &output, err)) {
            return false;
        }
    }
    return true;
}

static bool check(const struct settings *settings, const struct tree *tree,
                  struct warnings *warnings, struct error *err) {
    return links_check(tree, warnings, err) &&
           tree_check_size(tree, (uint64_t)settings->max_unzipped_size, err) &&
           programs_check(tree, &contents_on_disk, &settings->programs, warnings, err);
}

static bool pack(struct settings *settings, struct summary *summary, struct warnings *warnings,
                 struct error *err) {
    cleanup_tree struct tree tree = {0};
    if (!collect(settings, &tree, err) || !tree_finish(&tree, err) ||
        !check(settings, &tree, warnings, err)) {
        return error_prefix(err, "cannot pack %s",
                            settings->recipe ? settings->recipe : settings->output);
    }
    cleanup_output struct output output = {.fd = -1};
    const struct archive_settings how = {.level = (int)settings->level,
                                         .threads = (unsigned)settings->jobs};
    summary->entries = tree.count;
    summary->unzipped_size = tree_size(&tree);
    return output_open(settings->output, &output, err) &&
           archive_write(&tree, &how, output.fd, settings->output, err) &&
           summary_read(output.fd, settings->output, summary, err) && output_keep(&output, err);
}

static bool check_usage(const struct settings *settings, struct error *err) {
    if (!settings->output) {
        return error_set(err, "usage", "--output FILE is missing");
    }
    if (settings->recipe && settings->sources->count > 0) {
        return error_set(err, "usage", "name --recipe or SOURCEs, not both");
    }
    if (!settings->recipe && settings->sources->count == 0) {
        return error_set(err, "usage", "name --recipe FILE or a SOURCE");
    }
    return true;
}

static const struct option_spec specs[] = {
    {.name = "output",
     .value = "FILE",
     .help = "The zip to write; it is there whole or not at all.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, output)},
    {.name = "recipe",
     .value = "FILE",
     .help = "Pack what this layer.json names, downloading what the cache lacks.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, recipe)},
    {.name = "arch",
     .value = "ARCH",
     .help = "x86_64 or arm64: refuse ELF files for anything else.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct settings, programs.arch),
     .call = command_set_arch},
    {.name = "provided",
     .value = "NAME",
     .help = command_provided_help,
     .kind = OPTION_CALL,
     .offset = offsetof(struct settings, programs.more),
     .call = command_add_provided},
    {.name = "level",
     .value = "1-12",
     .help = "How hard to compress (7).",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, level),
     .min = 1,
     .max = 12},
    {.name = "jobs",
     .value = "N",
     .help = "Threads (one for each processor). The zip does not depend on it.",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, jobs),
     .min = 1,
     .max = MAX_THREADS},
    {.name = "max-unzipped-size",
     .value = "BYTES",
     .help = "Refuse to pack more (262144000, Lambda's limit).",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct settings, max_unzipped_size),
     .min = 0,
     .max = COMMAND_LARGEST_SIZE},
    {.name = "json",
     .help = command_json_help,
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, json)},
    {0},
};
static const struct options options = {
    .program = "layer-packer pack",
    .synopsis = "--output FILE (--recipe FILE | SOURCE...) [OPTIONS]",
    .summary = "Packs files by their base names and the content of folders, or what a recipe "
               "names. The same content gives the same bytes.",
    .specs = specs,
    .footer = "Refused, with the file and the reason: paths and symlinks out of the root or in\n"
              "circles, device files, a file named twice, ELF files for another architecture,\n"
              "programs that need what neither the layer nor provided.al2023 has (libraries,\n"
              "versions of symbols, interpreters) or what lies where nobody looks, scripts that\n"
              "the kernel cannot run, a bootstrap or extension that is not executable, and more\n"
              "than --max-unzipped-size.\n",
};

int command_pack(int argc, char **argv) {
    __attribute__((cleanup(settings_clean_up))) struct settings settings = {
        .level = DEFAULT_LEVEL, .jobs = processors(), .max_unzipped_size = COMMAND_LAMBDA_UNZIPPED};
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "pack", argc, argv, &settings, &operands, &code)) {
        return code;
    }
    settings.sources = &operands;
    if (!check_usage(&settings, &err)) {
        return command_misused("pack", &err);
    }
    struct summary summary = {0};
    cleanup_warnings struct warnings warnings = {0};
    if (!pack(&settings, &summary, &warnings, &err)) {
        return error_is(&err, "usage") ? command_misused("pack", &err) : command_failed(&err);
    }
    command_warn(&warnings);
    if (settings.json) {
        summary_print_json(&summary);
    } else {
        summary_print(&summary);
    }
    return command_done();
}
