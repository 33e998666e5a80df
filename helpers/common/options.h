// SPDX-License-Identifier: Apache-2.0
/// Command lines with long options, from one table that also makes the help.
///
/// `--name VALUE` and `--name=VALUE`, only the latter for values that begin with two dashes;
/// options and operands may be mixed; after `--` all are operands. Of an option given twice the
/// last holds. Exit codes: 0 good, 1 failed, 2 misused.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum { EXIT_MISUSED = 2 };

/// One option; exactly one of the four targets is set. A table ends with a zeroed one.
struct option_spec {
    /// Without the dashes.
    const char *name;
    /// In the help: "FILE"; NULL for a flag.
    const char *value;
    /// A sentence; lines are broken by the help.
    const char *help;
    /// Set to true.
    bool *flag;
    /// Set to the value, borrowed from argv.
    const char **text;
    /// Set to the value as an integer between `min` and `max`.
    int64_t *integer;
    int64_t min;
    int64_t max;
    /// Called with `context` and the value (NULL for a flag) in the order of the command line.
    bool (*call)(void *context, const char *value, struct error *err);
    void *context;
};

struct options {
    /// "layer-packer pack"
    const char *program;
    /// "--output FILE (--recipe FILE | SOURCE...)"
    const char *synopsis;
    /// One or more sentences under the synopsis; may be NULL.
    const char *summary;
    const struct option_spec *specs;
    /// At the end of the help, as it is: further text, such as the list of commands; may be NULL.
    const char *footer;
};

/// What is left of the command line; the array is to be released with options_operands_clean_up(),
/// its texts are argv's.
struct options_operands {
    const char **items;
    size_t count;
    /// The index in `items` of what stood after `--`; `count` where there was no `--`.
    size_t after_dashes;
    bool has_dashes;
};
#define cleanup_options_operands __attribute__((cleanup(options_operands_clean_up)))

enum options_result {
    /// Go on.
    OPTIONS_RUN,
    /// --help or --version was answered on stdout: exit with 0.
    OPTIONS_ANSWERED,
    /// The message says what is wrong, be it that stdout took no answer: exit with EXIT_MISUSED.
    OPTIONS_MISUSED,
};

/// Reads the arguments behind the program's (or command's) name: argv[0] is not looked at.
enum options_result options_parse(const struct options *options, int argc, char *const *argv,
                                  struct options_operands *operands, struct error *err);
void options_operands_clean_up(struct options_operands *operands);

/// Prints the help to stdout.
void options_print_help(const struct options *options);
/// The nearest of `candidates` (ended by NULL) to a mistyped `word`, or NULL: for "did you mean".
const char *options_nearest(const char *word, const char *const *candidates);
