// SPDX-License-Identifier: Apache-2.0
/// assume-role: sessions of AWS roles, without a key that stays.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "assume-role/arguments.h"
#include "assume-role/command.h"
#include "assume-role/hints.h"
#include "assume-role/identity.h"
#include "assume-role/walk.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/files.h"
#include "common/system/process.h"
#include "common/wipe.h"

static const size_t LARGEST_OUTPUT = (size_t)512 << 10;

static int fail(const struct error *err, const char *hint) {
    log_error(err->message);
    if (hint) {
        cleanup_free char *line = xasprintf("hint: %s", hint);
        log_info(line);
    }
    return EXIT_FAILURE;
}

static bool answer(const struct arguments *arguments, struct connection *connection,
                   const struct sts_session *session, struct error *err) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(LARGEST_OUTPUT);
    const struct aws_credentials *credentials =
        arguments->hops.count > 0 ? &session->credentials : &connection->start.credentials;
    const bool made =
        arguments->check ? identity_check(connection, credentials, arguments->has_format, &out, err)
                         : print_session(session, arguments->format, &out, err);
    return made && files_write_fd(STDOUT_FILENO, "stdout", buffer_slice(&out), err);
}

static int run(struct arguments *arguments, void (*on_broken_pipe)(int)) {
    struct error err;
    const char *hint = NULL;
    cleanup_connection struct connection connection = {0};
    cleanup_sts_session struct sts_session session = {0};
    if (!hops_read_token(&arguments->hops, &err)) {
        return fail(&err, NULL);
    }
    const struct hops *hops = &arguments->hops;
    const struct connection_options options = {
        .profile = arguments->profile,
        .region = arguments->region,
        .endpoint_url = arguments->endpoint_url,
        .needs_keys = hops->count == 0 || !hops->items[0].token,
        .use_cache = !arguments->no_cache,
    };
    if (!connection_open(&options, &connection, &err) ||
        (hops->count > 0 && !walk_run(&connection, hops, &session, &hint, &err))) {
        return fail(&err, hint);
    }
    if (arguments->command) {
        cleanup_free char *region = xstrdup(connection.region);
        // Its sockets are not the command's.
        connection_close(&connection);
        (void)signal(SIGPIPE, on_broken_pipe);
        return command_exec(arguments->command, &session.credentials, region);
    }
    return answer(arguments, &connection, &session, &err) ? EXIT_SUCCESS
                                                          : fail(&err, hints_for(&err, NULL));
}

int main(int argc, char **argv) {
    wipe_openssl();
    struct error err;
    log_set_format(LOG_FORMAT_TEXT, "assume-role");
    log_set_fd(STDERR_FILENO);
    if (!process_hold_standard_descriptors(&err) || !process_hide_memory(&err)) {
        return fail(&err, NULL);
    }
    void (*on_broken_pipe)(int) = signal(SIGPIPE, SIG_IGN);
    cleanup_arguments struct arguments arguments = {0};
    switch (arguments_parse(argc, argv, &arguments, &err)) {
    case OPTIONS_ANSWERED:
        return EXIT_SUCCESS;
    case OPTIONS_MISUSED:
        log_error(err.message);
        return EXIT_MISUSED;
    case OPTIONS_RUN:
        break;
    }
    log_set_level(arguments.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    return run(&arguments, on_broken_pipe);
}
