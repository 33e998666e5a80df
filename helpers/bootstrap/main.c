// SPDX-License-Identifier: Apache-2.0
/// bootstrap: a Lambda custom runtime that runs GitLab CI jobs.
#include <stdio.h>
#include <stdlib.h>

#include "bootstrap/confine/strangers.h"
#include "bootstrap/handlers/run.h"
#include "bootstrap/runtime/loop.h"
#include "bootstrap/settings/settings_table.h"
#include "common/array.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/system/process.h"
#include "common/wipe.h"

static const struct handler handlers[] = {
    {"run", "run the jobs of a GitLab runner", run_init, run_destroy, run_handle},
};

/// The one of `_HANDLER`. For every one nobody else may be there: a job of an earlier life could
/// read what it uses.
static const struct handler *choose_handler(struct error *err) {
    if (!strangers_end(err)) {
        return NULL;
    }
    const char *names[ARRAY_LENGTH(handlers) + 1] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++) {
        names[i] = handlers[i].name;
    }
    const int index = settings_choose("_HANDLER", names, err);
    return index < 0 ? NULL : &handlers[index];
}

static void print_handlers(void) {
    (void)puts("Handlers (the function's handler setting):");
    for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++) {
        options_print_word(handlers[i].name, handlers[i].summary);
    }
}

/// Outside Lambda there is nothing to run, but to say what this is.
static int command_line(int argc, char **argv) {
    static const struct option_spec specs[] = {{0}};
    static const struct options options = {
        .program = "bootstrap",
        .synopsis = "[--help | --version]",
        .summary =
            "The Lambda custom runtime of Runlet. Lambda starts it, with "
            "AWS_LAMBDA_RUNTIME_API set; elsewhere it does nothing but answer these options.",
        .specs = specs,
        .print_more = print_handlers,
    };
    cleanup_options_operands struct options_operands operands = {0};
    struct error err;
    switch (options_parse(&options, argc, argv, NULL, &operands, &err)) {
    case OPTIONS_ANSWERED:
        return EXIT_SUCCESS;
    case OPTIONS_RUN:
        error_set(&err, "usage", "not in Lambda: AWS_LAMBDA_RUNTIME_API is not set (see --help)");
        break;
    case OPTIONS_MISUSED:
        break;
    }
    log_set_format(LOG_FORMAT_TEXT, "bootstrap");
    log_error(err.message);
    return EXIT_MISUSED;
}

int main(int argc, char **argv) {
    wipe_openssl();
    // Before anything secret is read: a job has our user, and must not read our memory.
    struct error err;
    bool hidden = process_hide_memory(&err);
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    if (!address || !*address) {
        return command_line(argc, argv);
    }
    if (!hidden) {
        log_fatal("cannot keep secrets from jobs", LOG_ERROR_FIELDS(&err));
        return EXIT_FAILURE;
    }
    return runtime_run(address, choose_handler);
}
