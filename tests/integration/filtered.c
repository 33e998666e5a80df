// SPDX-License-Identifier: Apache-2.0
/// `filtered COMMAND...`: runs a command under the filter that jobs get, as gitlab-runner does, and
/// ends as it does (128 and the number of a signal; 125 where the kernel has no filter for us).
#include <stdlib.h>

#include "bootstrap/confine/filter.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/process.h"

static int run(char **argv, struct error *err) {
    cleanup_environment struct environment environment = {0};
    static const char *const all[] = {"*", NULL};
    environment_inherit(&environment, all);
    cleanup_filter struct filter *filter = filter_new(err);
    struct process_options options = process_options((const char *const *)argv, &environment);
    options.in_child = filter_install;
    options.in_child_context = filter;
    cleanup_process struct process *process = filter ? process_spawn(&options, err) : NULL;
    struct process_exit end;
    if (!process || !filter_begin(filter, err)) {
        return -1;
    }
    (void)process_wait(process, -1, 0, &end);
    return end.signal != 0 ? 128 + end.signal : end.code;
}

int main(int argc, char **argv) {
    struct error err;
    const int status = argc > 1 ? run(argv + 1, &err) : 2;
    if (status < 0) {
        log_error("not filtered", LOG_ERROR_FIELDS(&err));
        return 125;
    }
    return status;
}
