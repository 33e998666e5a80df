// SPDX-License-Identifier: Apache-2.0
/// Command lines with long options, from one constant table that also makes the help.
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

enum option_kind {
    /// A bool, set to true.
    OPTION_FLAG,
    /// A const char *, set to the value, which is borrowed from argv.
    OPTION_TEXT,
    /// An int64_t between `min` and `max`.
    OPTION_INTEGER,
    /// Whatever `call` sets.
    OPTION_CALL,
};

/// One option. A table ends with a zeroed one.
struct option_spec {
    /// Without the dashes.
    const char *name;
    /// In the help: "FILE"; NULL for a flag.
    const char *value;
    /// A sentence; lines are broken by the help.
    const char *help;
    enum option_kind kind;
    /// Where its target is in the arguments that options_parse() is given: offsetof().
    size_t offset;
    /// Of OPTION_INTEGER.
    int64_t min;
    int64_t max;
    /// Of OPTION_CALL: called with the target and the value (NULL for a flag) in the order of the
    /// command line.
    bool (*call)(void *target, const char *value, struct error *err);
};

struct options {
    /// "layer-packer pack"
    const char *program;
    /// "--output FILE (--recipe FILE | SOURCE...)"
    const char *synopsis;
    /// One or more sentences under the synopsis; may be NULL.
    const char *summary;
    const struct option_spec *specs;
    /// Prints more after the options, such as the commands, from a table of the program's; may be
    /// NULL.
    void (*print_more)(void);
    /// At the end of the help, as it is; may be NULL.
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

/// Reads the words behind the program's (or command's) name: argv[0] is not looked at. `arguments`
/// is the struct that the table's offsets are in, with its defaults set; NULL for an empty table.
enum options_result options_parse(const struct options *options, int argc, char *const *argv,
                                  void *arguments, struct options_operands *operands,
                                  struct error *err);
void options_operands_clean_up(struct options_operands *operands);

/// Prints one line of a list in the help: a command and what it does.
void options_print_word(const char *word, const char *summary);
/// The nearest of `candidates` (ended by NULL) to a mistyped `word`, or NULL: for "did you mean".
const char *options_nearest(const char *word, const char *const *candidates);
