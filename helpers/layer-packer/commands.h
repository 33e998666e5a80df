// SPDX-License-Identifier: Apache-2.0
/// The commands of layer-packer, each in a file of its own. Each reads its own arguments (argv[0]
/// is the command's name), prints what it has to say, and returns the exit code.
#pragma once

#include "common/error.h"
#include "common/options.h"
#include "layer-packer/inspect.h"
#include "layer-packer/summary.h"

int command_pack(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_list(int argc, char **argv);
int command_sign(int argc, char **argv);
int command_fetch(int argc, char **argv);

/// Prints the message to stderr, as "layer-packer: <message>", and returns EXIT_FAILURE.
int command_failed(const struct error *err);
/// Prints the message and where to read on, and returns EXIT_MISUSED. "" is no command at all.
int command_misused(const char *command, const struct error *err);
/// For options_parse: true to go on; else `*code` is the exit code. `command` as in "pack".
bool command_parse(const struct options *options, const char *command, int argc, char **argv,
                   void *arguments, struct options_operands *operands, int *code);
/// The `call` of an --arch option, whose target is an enum arch.
bool command_set_arch(void *target, const char *value, struct error *err);
/// The `call` of a --provided option, whose target is a struct provided_more; and its help.
bool command_add_provided(void *target, const char *value, struct error *err);
extern const char command_provided_help[];
/// Prints the warnings to stderr, each as "layer-packer: warning: <text>".
void command_warn(const struct warnings *warnings);
/// Opens the zip `fd`, called `path`, as `reader`, inspects it, and describes it in `summary`.
bool command_inspect(int fd, const char *path, const struct inspect_options *options,
                     struct reader *reader, struct summary *summary, struct warnings *warnings,
                     struct error *err);
/// The help of a --json option.
extern const char command_json_help[];
/// Lambda's limit for a function with all its layers, unzipped: 250 MiB, 262144000 bytes.
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
enum { COMMAND_LAMBDA_UNZIPPED = 250 * 1024 * 1024 };
/// The most that an option takes as a size: whole numbers that JSON holds, too.
enum { COMMAND_LARGEST_SIZE = INT64_C(1) << 53 };
/// Flushes stdout; what was not written there is a failure too.
int command_done(void);
