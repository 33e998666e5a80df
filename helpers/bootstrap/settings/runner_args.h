// SPDX-License-Identifier: Apache-2.0
/// RUNLET_RUNNER_ARGS: further arguments for `gitlab-runner run-single`, and which are refused.
///
/// gitlab-runner reads its command line with Go's flag package behind urfave/cli: `-name`,
/// `--name`, `-name=value`, `--name=value`, the value in the next argument, options anywhere among
/// the operands, no abbreviations, and of an option given twice the last wins. An argument that
/// could be read as a refused option is refused wherever it stands, also where it would be the
/// value of the option before it: which options take a value differs between runner versions.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/slice.h"

/// Reads a JSON array of strings into a new array ended by NULL, to be released with
/// runner_args_destroy(). NULL on failure; the message says what is wrong with the text and names
/// options, but never shows their values.
char **runner_args_parse(struct slice text, struct error *err);
void runner_args_destroy(char **args);

/// The most bytes of a job's trace that gitlab-runner keeps with these arguments (may be NULL).
int64_t runner_args_output_limit(char *const *args);
