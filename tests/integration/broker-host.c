// SPDX-License-Identifier: Apache-2.0
/// A broker alone, for tests: stands where the bootstrap would, and does what it is told.
///
/// `broker-host SERVER_URL TOKEN_FILE WAIT_MS MARGIN_MS [CA_FILE]` prints {"port", "placeholder"}
/// on one line. Then each line of stdin is an order, answered by one line of JSON:
///     status
///     drop
///     stop-asking
///     hold LINE     (without a line: takes it back)
///     close REASON LIMIT_MS LINE     (LINE may be empty: none)
///     memory                         {"peak_kib", "threads"}
///     stop                           {} once all is released; no order is taken after it
/// The end of stdin stops it. The token file is read as the secret would be, each time anew.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bootstrap/broker/broker.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

static struct secret *read_token_file(void *context, int64_t deadline_ms, struct error *err) {
    const char *path = context;
    cleanup_buffer struct buffer content = BUFFER_INIT_SENSITIVE(4096);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *room = buffer_reserve(&content, 2048);
    ssize_t got = fd >= 0 ? read(fd, room, 2048) : -1;
    (void)deadline_ms;
    if (got < 0) {
        error_errno(err, errno, "%s", path);
        return NULL;
    }
    buffer_commit(&content, (size_t)got);
    return secret_take(&content);
}

static void say(cJSON *object) {
    cleanup_buffer struct buffer line = BUFFER_INIT((size_t)1 << 20);
    struct error err;
    if (json_print(object, &line, &err)) {
        printf("%s\n", buffer_text(&line));
    }
    fflush(stdout);
    cJSON_Delete(object);
}

static void add_text(cJSON *object, const char *name, const char *text) {
    cJSON_AddItemToObject(object, name,
                          text ? json_create_string(slice_text(text)) : cJSON_CreateNull());
}

static void add_number(cJSON *object, const char *name, int64_t number) {
    cJSON_AddItemToObject(object, name, cJSON_CreateNumber((double)number));
}

static void add_bool(cJSON *object, const char *name, bool value) {
    cJSON_AddItemToObject(object, name, cJSON_CreateBool(value));
}

static void say_status(struct broker *broker) {
    struct broker_status status;
    broker_snapshot(broker, &status);
    cJSON *object = cJSON_CreateObject();
    add_bool(object, "request_in_flight", status.request_in_flight);
    add_number(object, "waiting_since_ms", status.waiting_since_ms);
    add_number(object, "last_good_ms", status.last_good_ms);
    add_bool(object, "unauthorized", status.unauthorized);
    add_bool(object, "unreachable", status.unreachable);
    add_text(object, "failure", status.failure.message);
    add_text(object, "failure_code", status.failure.code);
    add_bool(object, "job_arrived", status.job_arrived);
    add_number(object, "canceled_since_ms", status.canceled_since_ms);
    add_bool(object, "canceling", status.canceling);
    add_bool(object, "finished", status.finished);
    add_number(object, "id", status.job.id);
    add_number(object, "project_id", status.job.project_id);
    add_text(object, "name", status.job.name);
    add_text(object, "state", status.job.state);
    add_text(object, "failure_reason", status.job.failure_reason);
    cJSON_AddItemToObject(object, "exit_code",
                          status.job.has_exit_code
                              ? cJSON_CreateNumber((double)status.job.exit_code)
                              : cJSON_CreateNull());
    add_number(object, "queued_ms", status.job.queued_ms);
    add_number(object, "duration_ms", status.job.duration_ms);
    say(object);
}

static void say_close(struct broker *broker, struct slice arguments) {
    struct slice reason = {0}, limit = {0};
    int64_t limit_ms = 0;
    slice_split(&arguments, ' ', &reason);
    slice_split(&arguments, ' ', &limit);
    slice_parse_integer(limit, &limit_ms);
    cleanup_free char *reason_text = slice_copy(reason);
    cleanup_free char *line = slice_copy(arguments);
    struct error err = {0};
    bool closed = broker_close_job(broker, line[0] ? line : NULL, reason_text,
                                   clock_now_ms(clock_system()) + limit_ms, &err);
    cJSON *object = cJSON_CreateObject();
    add_bool(object, "closed", closed);
    add_text(object, "error", closed ? NULL : err.message);
    say(object);
}

static void say_memory(void) {
    cJSON *object = cJSON_CreateObject();
    cleanup_fclose FILE *file = fopen("/proc/self/status", "re");
    cleanup_free char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) > 0) {
        struct slice text = slice_text(line), name;
        int64_t number = 0;
        slice_split(&text, ':', &name);
        text = slice_trim(text);
        slice_parse_integer(slice_make(text.data, slice_find(text, ' ')), &number);
        if (slice_equal_text(name, "VmHWM")) {
            add_number(object, "peak_kib", number);
        } else if (slice_equal_text(name, "Threads")) {
            add_number(object, "threads", number);
        }
    }
    say(object);
}

static void obey(struct broker *broker, struct slice order) {
    struct slice word = {0};
    slice_split(&order, ' ', &word);
    if (slice_equal_text(word, "close")) {
        say_close(broker, order);
    } else if (slice_equal_text(word, "memory")) {
        say_memory();
    } else {
        if (slice_equal_text(word, "drop")) {
            broker_drop_request(broker);
        } else if (slice_equal_text(word, "hold")) {
            cleanup_free char *line = slice_copy(order);
            broker_hold_final(broker, *line ? line : NULL, "job_execution_timeout");
        } else if (slice_equal_text(word, "stop-asking")) {
            (void)broker_stop_asking(broker);
        }
        say_status(broker);
    }
}

static void introduce(const struct broker *broker) {
    cJSON *object = cJSON_CreateObject();
    add_number(object, "port", broker_port(broker));
    add_text(object, "placeholder", broker_placeholder(broker));
    say(object);
}

static int64_t number(const char *text) {
    int64_t value = 0;
    slice_parse_integer(slice_text(text), &value);
    return value;
}

int main(int argc, char **argv) {
    wipe_openssl();
    if (argc < 5) {
        fputs("usage: broker-host SERVER_URL TOKEN_FILE WAIT_MS MARGIN_MS [CA_FILE]\n", stderr);
        return 2;
    }
    json_initialise();
    log_set_fd(STDERR_FILENO);
    const struct gitlab_options gitlab_options = {.server_url = argv[1],
                                                  .ca_file = argc > 5 ? argv[5] : NULL};
    struct gitlab *gitlab = gitlab_new(&gitlab_options);
    struct token_source *token = token_source_new(read_token_file, argv[2], "the token file");
    const struct broker_options options = {
        .gitlab = gitlab,
        .token = token,
        .system_id = "s_0123456789ab",
        .wait_timeout_ms = number(argv[3]),
        .margin_begins_ms = clock_now_ms(clock_system()) + number(argv[4]),
    };
    struct error err;
    struct broker *broker = broker_start(&options, &err);
    if (!broker) {
        fprintf(stderr, "%s: %s\n", err.code, err.message);
        return 1;
    }
    introduce(broker);
    cleanup_free char *line = NULL;
    size_t size = 0;
    bool stopped = false;
    while (!stopped && getline(&line, &size, stdin) > 0) {
        stopped = strcmp(line, "stop\n") == 0;
        if (!stopped) {
            obey(broker, slice_trim(slice_text(line)));
        }
    }
    broker_stop(broker);
    token_source_destroy(token);
    gitlab_destroy(gitlab);
    if (stopped) {
        say(cJSON_CreateObject());
        stopped = getline(&line, &size, stdin) > 0;
    }
    return 0;
}
