// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/zip/entry_name.h"
#include "common/zip/reader.h"
#include "layer-packer/commands.h"

// Lambda's limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
/// Of a zip in the call itself; a larger one goes by way of S3.
static const uint64_t DIRECT_UPLOAD = (uint64_t)50 * 1024 * 1024;

/// The name, which is UTF-8 in a zip that was inspected.
static void print_name(const char *name) {
    cleanup_buffer struct buffer text = BUFFER_INIT(4 * (ENTRY_NAME_MAX + 1));
    (void)encoding_append_printable(&text, slice_text(name));
    (void)puts(buffer_text(&text));
}

static bool print_entries(const struct reader *reader, struct error *err) {
    printf("%-4s %12s %12s  %s\n", "mode", "size", "packed", "name");
    for (uint64_t i = 0; i < reader->count; i++) {
        struct reader_entry entry;
        if (!reader_look(reader, i, &entry, err)) {
            return false;
        }
        if (S_ISLNK(entry.mode)) {
            printf("link");
        } else {
            printf("%04o", (unsigned)entry.mode & 07777);
        }
        printf(" %12" PRIu64 " %12" PRIu64 "  ", entry.size, entry.packed_size);
        print_name(entry.name);
    }
    return true;
}

/// Of Lambda's limit. Rounded up: 100 % is never shown for what does not fit.
static void print_part(uint64_t unzipped) {
    printf("%" PRIu64 " %% of Lambda's 250 MB%s\n",
           (unzipped * 100 + COMMAND_LAMBDA_UNZIPPED - 1) / COMMAND_LAMBDA_UNZIPPED,
           unzipped > COMMAND_LAMBDA_UNZIPPED ? ": too much for a function with its layers" : "");
}

static void print_budget(const char *name, uint64_t size, uint64_t unzipped) {
    cleanup_free char *packed = summary_format_size(size);
    cleanup_free char *whole = summary_format_size(unzipped);
    printf("%s: %s (%" PRIu64 " bytes), unzipped %s (%" PRIu64 " bytes), ", name, packed, size,
           whole, unzipped);
    print_part(unzipped);
    if (size > DIRECT_UPLOAD) {
        printf("  over 50 MB zipped: cannot be uploaded directly, only by way of S3\n");
    }
}

struct arguments {
    bool json;
    bool summarize;
};

static bool list(const char *path, const struct arguments *arguments, uint64_t *total_size,
                 uint64_t *total_unzipped, struct error *err) {
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_reader struct reader reader = {0};
    struct summary summary = {0};
    const struct inspect_options how = {.max_unzipped = UINT64_MAX, .structure_only = true};
    if (fd < 0) {
        return error_errno(err, errno, "cannot open %s", path);
    }
    if (!command_inspect(fd, path, &how, &reader, &summary, NULL, err)) {
        return false;
    }
    *total_size += summary.size;
    *total_unzipped += summary.unzipped_size;
    if (arguments->json) {
        summary_print_json(&summary);
        return true;
    }
    if (!arguments->summarize && !print_entries(&reader, err)) {
        return error_prefix(err, "%s", path);
    }
    print_budget(path, summary.size, summary.unzipped_size);
    return true;
}

static const struct option_spec specs[] = {
    {.name = "summary",
     .help = "Leave the entries out.",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct arguments, summarize)},
    {.name = "json",
     .help = command_json_help,
     .kind = OPTION_FLAG,
     .offset = offsetof(struct arguments, json)},
    {0},
};
static const struct options options = {
    .program = "layer-packer list",
    .synopsis = "[--summary] ZIP...",
    .summary = "Prints the entries of zips, each zip's size and what it unpacks to, beside "
               "Lambda's limits: 250 MB unzipped for a function with all its layers, 50 MB "
               "zipped for a direct upload. With several zips their sum is printed, too.",
    .specs = specs,
};

int command_list(int argc, char **argv) {
    struct arguments arguments = {0};
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "list", argc, argv, &arguments, &operands, &code)) {
        return code;
    }
    if (operands.count == 0) {
        error_set(&err, "usage", "name a ZIP");
        return command_misused("list", &err);
    }
    uint64_t size = 0;
    uint64_t unzipped = 0;
    for (size_t i = 0; i < operands.count; i++) {
        if (!list(operands.items[i], &arguments, &size, &unzipped, &err)) {
            return command_failed(&err);
        }
    }
    if (operands.count > 1 && !arguments.json) {
        cleanup_free char *whole = summary_format_size(unzipped);
        printf("together: unzipped %s (%" PRIu64 " bytes), ", whole, unzipped);
        print_part(unzipped);
    }
    return command_done();
}
