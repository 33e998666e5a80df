// SPDX-License-Identifier: Apache-2.0
/// The command line.
#pragma once

#include <stdbool.h>

#include "assume-role/connection.h"
#include "assume-role/hops.h"
#include "assume-role/print.h"
#include "common/options.h"

/// Texts are argv's, or belong to the hops.
struct arguments {
    struct hops hops;
    const char *profile;
    const char *region;
    const char *endpoint_url;
    enum print_format format;
    /// --format was given; without it --check answers as text.
    bool has_format;
    bool check;
    bool no_cache;
    bool debug;
    /// What stands after `--`, ended by NULL; NULL where there is no `--`.
    char **command;
    /// Our copy of argv with lists spread over several options.
    char **spread;
};
#define cleanup_arguments __attribute__((cleanup(arguments_clean_up)))
void arguments_clean_up(struct arguments *arguments);

/// Reads and checks it. `arguments` is initialised here and to be cleaned up in any case.
enum options_result arguments_parse(int argc, char **argv, struct arguments *arguments,
                                    struct error *err);
