// SPDX-License-Identifier: Apache-2.0
/// layer-packer: reproducible zips for Lambda.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/system/process.h"
#include "layer-packer/commands.h"

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"pack", "pack files, folders or a recipe into a zip", command_pack},
    {"verify", "check a zip's structure and checksums, or its signature", command_verify},
    {"list", "print what zips hold, and their part of Lambda's budget", command_list},
    {"sign", "sign a zip or a release with an Ed25519 key", command_sign},
    {"fetch", "download what a recipe needs", command_fetch},
};
enum { COMMANDS = ARRAY_LENGTH(commands) };

static void print_commands(void) {
    (void)puts("Commands (each has a --help):");
    for (size_t i = 0; i < COMMANDS; i++) {
        options_print_word(commands[i].name, commands[i].summary);
    }
}

static const struct option_spec no_options[] = {{0}};
static const struct options help = {
    .program = "layer-packer",
    .synopsis = "COMMAND [OPTIONS]",
    .summary = "Makes zips for Lambda that have the same bytes wherever they are made.",
    .specs = no_options,
    .print_more = print_commands,
};

static int unknown_command(const char *word) {
    const char *names[COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
    }
    const char *nearest = options_nearest(word, names);
    if (nearest) {
        (void)fprintf(stderr, "layer-packer: unknown command %s; did you mean %s?\n", word,
                      nearest);
    } else {
        (void)fprintf(stderr, "layer-packer: unknown command %s (see layer-packer --help)\n", word);
    }
    return EXIT_MISUSED;
}

int main(int argc, char **argv) {
    struct error err;
    if (!process_hold_standard_descriptors(&err)) {
        (void)fprintf(stderr, "layer-packer: %s\n", err.message);
        return EXIT_FAILURE;
    }
    // Where a file may not grow further, the write's own error says which file.
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        (void)fprintf(stderr, "usage: layer-packer pack|verify|list|sign|fetch (see layer-packer "
                              "--help)\n");
        return EXIT_MISUSED;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, argv[1]) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (argv[1][0] != '-') {
        return unknown_command(argv[1]);
    }
    int code = EXIT_SUCCESS;
    cleanup_options_operands struct options_operands operands = {0};
    if (!command_parse(&help, "", argc, argv, NULL, &operands, &code)) {
        return code;
    }
    (void)fprintf(stderr, "layer-packer: name a command (see layer-packer --help)\n");
    return EXIT_MISUSED;
}
