// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/zip/reader.h"
#include "layer-packer/commands.h"
#include "layer-packer/inspect.h"
#include "layer-packer/signature.h"
#include "layer-packer/summary.h"

struct arguments {
    const char *key;
    int64_t max_unzipped;
    bool json;
};

static bool verify(const char *path, const struct arguments *arguments, struct summary *summary,
                   struct error *err) {
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct inspection inspection;
    if (fd < 0) {
        return error_errno(err, errno, "cannot open %s", path);
    }
    // The signature first: then nothing of a zip that is not ours is looked at.
    if (arguments->key && !signature_check(fd, path, arguments->key, err)) {
        return false;
    }
    if (!summary_read(fd, path, summary, err)) {
        return false;
    }
    cleanup_reader struct reader reader = {0};
    if (!reader_open(&reader, fd, err) ||
        !inspect_zip(&reader, (uint64_t)arguments->max_unzipped, false, &inspection, err)) {
        return error_prefix(err, "%s", path);
    }
    summary->entries = inspection.entries;
    summary->unzipped_size = inspection.unzipped_size;
    return true;
}

static const struct option_spec specs[] = {
    {.name = "key",
     .value = "PUBLIC.pem",
     .help = "First of all, ZIP.sig must be the signature of ZIP by this Ed25519 key.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, key)},
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
    .synopsis = "[--key PUBLIC.pem] ZIP",
    .summary = "Checks a zip that anybody may have made: its structure, names, symlinks, sizes "
               "and checksums; with a key its signature, too.",
    .specs = specs,
};

int command_verify(int argc, char **argv) {
    struct arguments arguments = {.max_unzipped = INT64_MAX};
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "verify", argc, argv, &arguments, &operands, &code)) {
        return code;
    }
    if (operands.count != 1) {
        error_set(&err, "usage", "expected one ZIP");
        return command_misused("verify", &err);
    }
    struct summary summary = {0};
    if (!verify(operands.items[0], &arguments, &summary, &err)) {
        return command_failed(&err);
    }
    if (arguments.json) {
        summary_print_json(&summary);
    } else {
        printf("%s: good, %" PRIu64 " %s%s\n", summary.path, summary.entries,
               summary.entries == 1 ? "entry" : "entries",
               arguments.key ? ", signed by the owner of the key" : "");
    }
    return command_done();
}
