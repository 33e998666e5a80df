// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "layer-packer/commands.h"
#include "layer-packer/signature.h"

struct arguments {
    const char *key;
    int64_t max_unzipped;
    struct programs_options programs;
    bool json;
};

static void arguments_clean_up(struct arguments *arguments) {
    provided_more_clean_up(&arguments->programs.more);
}

static bool verify(const char *path, const struct arguments *arguments, struct summary *summary,
                   struct warnings *warnings, struct error *err) {
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_reader struct reader reader = {0};
    const struct inspect_options how = {.max_unzipped = (uint64_t)arguments->max_unzipped,
                                        .programs = arguments->programs};
    if (fd < 0) {
        return error_errno(err, errno, "cannot open %s", path);
    }
    // The signature first: then nothing of a zip that is not ours is looked at.
    return (!arguments->key || signature_check(fd, path, arguments->key, err)) &&
           command_inspect(fd, path, &how, &reader, summary, warnings, err);
}

static const struct option_spec specs[] = {
    {.name = "key",
     .value = "PUBLIC.pem",
     .help = "First of all, ZIP.sig must be the signature of ZIP by this Ed25519 key.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, key)},
    {.name = "arch",
     .value = "ARCH",
     .help = "x86_64 or arm64: refuse ELF files for anything else.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, programs.arch),
     .call = command_set_arch},
    {.name = "provided",
     .value = "NAME",
     .help = command_provided_help,
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, programs.more),
     .call = command_add_provided},
    {.name = "max-unzipped-size",
     .value = "BYTES",
     .help = "Refuse a zip that unpacks to more (none).",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct arguments, max_unzipped),
     .min = 0,
     .max = COMMAND_LARGEST_SIZE},
    {.name = "json",
     .help = command_json_help,
     .kind = OPTION_FLAG,
     .offset = offsetof(struct arguments, json)},
    {0},
};
static const struct options options = {
    .program = "layer-packer verify",
    .synopsis = "[OPTIONS] ZIP",
    .summary = "Checks a zip that anybody may have made: its structure, names, symlinks, sizes "
               "and checksums, and that its programs run in Lambda, as pack does; with a key its "
               "signature, too.",
    .specs = specs,
};

int command_verify(int argc, char **argv) {
    __attribute__((cleanup(arguments_clean_up))) struct arguments arguments = {.max_unzipped =
                                                                                   INT64_MAX};
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "verify", argc, argv, &arguments, &operands, &code)) {
        return code;
    }
    if (operands.count != 1) {
        error_set(&err, "usage", "name one ZIP");
        return command_misused("verify", &err);
    }
    struct summary summary = {0};
    cleanup_warnings struct warnings warnings = {0};
    if (!verify(operands.items[0], &arguments, &summary, &warnings, &err)) {
        return command_failed(&err);
    }
    command_warn(&warnings);
    if (arguments.json) {
        summary_print_json(&summary);
    } else {
        printf("%s: good, %" PRIu64 " %s%s\n", summary.path, summary.entries,
               summary.entries == 1 ? "entry" : "entries",
               arguments.key ? ", signed by the owner of the key" : "");
    }
    return command_done();
}
