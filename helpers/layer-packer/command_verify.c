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

static bool verify(const char *path, const char *key, int64_t max_unzipped, struct summary *summary,
                   struct error *err) {
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct inspection inspection;
    if (fd < 0) {
        return error_errno(err, errno, "cannot open %s", path);
    }
    // The signature first: then nothing of a zip that is not ours is looked at.
    if (key && !signature_check(fd, path, key, err)) {
        return false;
    }
    if (!summary_read(fd, path, summary, err)) {
        return false;
    }
    cleanup_reader struct reader reader = {0};
    if (!reader_open(&reader, fd, err) ||
        !inspect_zip(&reader, (uint64_t)max_unzipped, false, &inspection, err)) {
        return error_prefix(err, "%s", path);
    }
    summary->entries = inspection.entries;
    summary->unzipped_size = inspection.unzipped_size;
    return true;
}

int command_verify(int argc, char **argv) {
    const char *key = NULL;
    bool json = false;
    int64_t max_unzipped = INT64_MAX;
    const struct option_spec specs[] = {
        {.name = "key",
         .value = "PUBLIC.pem",
         .help = "First of all, ZIP.sig must be the signature of ZIP by this Ed25519 key.",
         .text = &key},
        {.name = "max-unzipped-size",
         .value = "BYTES",
         .help = "Refuse a zip that unpacks to more (none).",
         .integer = &max_unzipped,
         .min = 0,
         .max = (int64_t)1 << 53},
        {.name = "json", .help = "Describe the zip as JSON.", .flag = &json},
        {0},
    };
    const struct options options = {
        .program = "layer-packer verify",
        .synopsis = "[--key PUBLIC.pem] ZIP",
        .summary = "Checks a zip that anybody may have made: its structure, names, symlinks, sizes "
                   "and checksums; with a key its signature, too.",
        .specs = specs,
        .footer = "The JSON has path, sha256, source_code_hash, size, unzipped_size, entries.\n",
    };
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "verify", argc, argv, &operands, &code)) {
        return code;
    }
    if (operands.count != 1) {
        error_set(&err, "usage", "expected one ZIP");
        return command_misused("verify", &err);
    }
    struct summary summary = {0};
    if (!verify(operands.items[0], key, max_unzipped, &summary, &err)) {
        return command_failed(&err);
    }
    if (json) {
        summary_print_json(&summary);
    } else {
        printf("%s: good, %" PRIu64 " %s%s\n", summary.path, summary.entries,
               summary.entries == 1 ? "entry" : "entries",
               key ? ", signed by the owner of the key" : "");
    }
    return command_done();
}
