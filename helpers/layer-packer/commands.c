// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/encoding.h"

/// A zip's names are somebody else's words: what would steer the terminal becomes visible, so that
/// a message is one line of text.
static void print_message(const char *message) {
    cleanup_buffer struct buffer text = BUFFER_INIT(4 * ERROR_MESSAGE_SIZE);
    (void)encoding_append_printable(&text, slice_text(message));
    (void)fputs(buffer_text(&text), stderr);
}

const char command_json_help[] =
    "Describe each zip as JSON, on a line: path, sha256, source_code_hash, size, unzipped_size, "
    "entries.";

int command_failed(const struct error *err) {
    (void)fflush(stdout);
    (void)fputs("layer-packer: ", stderr);
    print_message(err->message);
    (void)fputc('\n', stderr);
    return EXIT_FAILURE;
}

int command_misused(const char *command, const struct error *err) {
    const char *space = command[0] != '\0' ? " " : "";
    (void)fprintf(stderr, "layer-packer%s%s: ", space, command);
    print_message(err->message);
    (void)fprintf(stderr, " (see layer-packer%s%s --help)\n", space, command);
    return EXIT_MISUSED;
}

bool command_parse(const struct options *options, const char *command, int argc, char **argv,
                   void *arguments, struct options_operands *operands, int *code) {
    struct error err;
    switch (options_parse(options, argc, argv, arguments, operands, &err)) {
    case OPTIONS_RUN:
        return true;
    case OPTIONS_ANSWERED:
        *code = command_done();
        return false;
    case OPTIONS_MISUSED:
        break;
    }
    *code = command_misused(command, &err);
    return false;
}

const char command_provided_help[] =
    "Take NAME as there, because another layer has it or the runtime is another one: a library, a "
    "version of symbols, an interpreter (libx.so.1, GLIBC_2.36, /opt/bin/node). Any number of "
    "times.";

bool command_add_provided(void *target, const char *value, struct error *err) {
    (void)err;
    provided_more_add(target, value);
    return true;
}

bool command_inspect(int fd, const char *path, const struct inspect_options *options,
                     struct reader *reader, struct summary *summary, struct warnings *warnings,
                     struct error *err) {
    struct inspection inspection;
    if (!summary_read(fd, path, summary, err)) {
        return false;
    }
    if (!reader_open(reader, fd, err) ||
        !inspect_zip(reader, options, &inspection, warnings, err)) {
        return error_prefix(err, "%s", path);
    }
    summary->entries = inspection.entries;
    summary->unzipped_size = inspection.unzipped_size;
    return true;
}

void command_warn(const struct warnings *warnings) {
    const size_t kept = warnings->count < WARNINGS_KEPT ? warnings->count : WARNINGS_KEPT;
    for (size_t i = 0; i < kept; i++) {
        (void)fputs("layer-packer: warning: ", stderr);
        print_message(warnings->texts[i]);
        (void)fputc('\n', stderr);
    }
    if (warnings->count > kept) {
        (void)fprintf(stderr, "layer-packer: warning: and %zu more like these\n",
                      warnings->count - kept);
    }
}

bool command_set_arch(void *target, const char *value, struct error *err) {
    static const struct {
        const char *other;
        const char *ours;
    } others[] = {{"amd64", "x86_64"},
                  {"x86-64", "x86_64"},
                  {"x64", "x86_64"},
                  {"aarch64", "arm64"},
                  {"armv8", "arm64"}};
    enum arch *arch = target;
    *arch = arch_parse(value);
    if (*arch != ARCH_NONE) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (strcmp(others[i].other, value) == 0) {
            return error_set(err, "usage",
                             "--arch must be x86_64 or arm64, not \"%s\"; did you mean %s?", value,
                             others[i].ours);
        }
    }
    return error_set(err, "usage", "--arch must be x86_64 or arm64, not \"%s\"", value);
}

int command_done(void) {
    if (fflush(stdout) != 0 || ferror(stdout)) {
        struct error err;
        error_errno(&err, errno, "cannot write to the standard output");
        return command_failed(&err);
    }
    return EXIT_SUCCESS;
}
