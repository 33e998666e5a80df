// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/array.h"
#include "common/buffer.h"
#include "common/encoding.h"
#include "common/json.h"
#include "common/timestamp.h"

enum {
    LONGEST_TEXT = 16 * 1024,
    /// Under CloudWatch's limit for an event.
    LONGEST_LINE = 240 * 1024,
    LONGEST_REQUEST_ID = 128,
};

static struct {
    pthread_mutex_t lock;
    enum log_format format;
    enum log_level level;
    int fd;
    struct clock *clock;
    const char *program;
    char request_id[LONGEST_REQUEST_ID];
} state = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .format = LOG_FORMAT_JSON,
    .level = LOG_LEVEL_INFO,
    .fd = -1,
    .program = "",
};

static const char *const level_names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};

void log_set_format(enum log_format format, const char *program) {
    state.format = format;
    state.program = program;
}

void log_set_level(enum log_level level) {
    state.level = level;
}

void log_set_fd(int fd) {
    state.fd = fd;
}

void log_set_clock(struct clock *clock) {
    state.clock = clock;
}

void log_set_request_id(const char *request_id) {
    (void)pthread_mutex_lock(&state.lock);
    (void)snprintf(state.request_id, sizeof(state.request_id), "%s", request_id ? request_id : "");
    (void)pthread_mutex_unlock(&state.lock);
}

/// In any case: "INFO", "info".
static bool parse_level(struct slice text, enum log_level *level) {
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (slice_equal_ignoring_case(text, slice_text(level_names[i]))) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_level_from_environment(void) {
    const char *name = getenv("AWS_LAMBDA_LOG_LEVEL");
    state.level = LOG_LEVEL_INFO;
    if (name && name[0] != '\0' && !parse_level(slice_text(name), &state.level)) {
        log_warn(
            "AWS_LAMBDA_LOG_LEVEL must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL: INFO is used",
            log_text("value", name));
    }
}

bool log_enabled(enum log_level level) {
    return level >= state.level;
}

/// Writes the line at once where the system lets us; a part that it did not take is sent after.
static void write_line(struct slice line) {
    int fd = state.fd;
    if (fd < 0) {
        fd = state.format == LOG_FORMAT_JSON ? STDOUT_FILENO : STDERR_FILENO;
    }
    const int saved = errno;
    (void)pthread_mutex_lock(&state.lock);
    while (line.len > 0) {
        const ssize_t written = write(fd, line.data, line.len);
        if (written < 0 && errno != EINTR) {
            break;
        }
        line = slice_skip(line, written > 0 ? (size_t)written : 0);
    }
    (void)pthread_mutex_unlock(&state.lock);
    errno = saved;
}

static struct slice shortened(struct slice text) {
    if (text.len <= LONGEST_TEXT) {
        return text;
    }
    // Not in the middle of a UTF-8 sequence.
    size_t end = LONGEST_TEXT;
    while (end > LONGEST_TEXT - 4 && ((unsigned char)text.data[end] & 0xc0) == 0x80) {
        end--;
    }
    return slice_make(text.data, end);
}

static void append_member(struct buffer *line, const char *name, struct slice value) {
    json_append_member(line, name, shortened(value));
}

static void append_json_field(struct buffer *line, const struct log_field *field) {
    if (field->kind == LOG_FIELD_TEXT) {
        append_member(line, field->name, field->text);
        return;
    }
    buffer_append_byte(line, ',');
    json_append_string(line, slice_text(field->name));
    if (field->kind == LOG_FIELD_BOOLEAN) {
        buffer_append_text(line, field->integer ? ":true" : ":false");
    } else {
        buffer_appendf(line, ":%lld", (long long)field->integer);
    }
}

static int64_t now_ms(void) {
    return clock_now_ms(state.clock ? state.clock : clock_system());
}

static void append_request_id(struct buffer *line) {
    (void)pthread_mutex_lock(&state.lock);
    if (state.request_id[0] != '\0') {
        append_member(line, "requestId", slice_text(state.request_id));
    }
    (void)pthread_mutex_unlock(&state.lock);
}

static void write_json(enum log_level level, const char *message, const struct log_field *fields) {
    cleanup_buffer struct buffer line = BUFFER_INIT(LONGEST_LINE);
    const struct timestamp time = timestamp_rfc3339(now_ms());
    buffer_append_byte(&line, '{');
    append_member(&line, "timestamp", slice_text(time.text));
    append_member(&line, "level", slice_text(level_names[level]));
    append_member(&line, "message", slice_text(message));
    append_request_id(&line);
    for (; fields->kind != LOG_FIELD_END; fields++) {
        // A field that would make the line too long is left out as a whole.
        const size_t before = line.len;
        append_json_field(&line, fields);
        if (line.overflowed || line.len > LONGEST_LINE - 2) {
            line.overflowed = false;
            buffer_truncate(&line, before);
        }
    }
    buffer_append_text(&line, "}\n");
    write_line(buffer_slice(&line));
}

static void append_text_field(struct buffer *line, const struct log_field *field) {
    buffer_appendf(line, "%s=", field->name);
    if (field->kind == LOG_FIELD_TEXT) {
        encoding_append_printable(line, shortened(field->text));
    } else if (field->kind == LOG_FIELD_BOOLEAN) {
        buffer_append_text(line, field->integer ? "true" : "false");
    } else {
        buffer_appendf(line, "%lld", (long long)field->integer);
    }
}

static void write_text(enum log_level level, const char *message, const struct log_field *fields) {
    static const char *const words[] = {"trace: ",   "debug: ", "",
                                        "warning: ", "error: ", "error: "};
    cleanup_buffer struct buffer line = BUFFER_INIT(LONGEST_LINE);
    buffer_appendf(&line, "%s: %s", state.program, words[level]);
    encoding_append_printable(&line, shortened(slice_text(message)));
    const char *separator = " (";
    for (; fields->kind != LOG_FIELD_END; fields++) {
        buffer_append_text(&line, separator);
        append_text_field(&line, fields);
        separator = ", ";
    }
    buffer_append_text(&line, separator[0] == ',' ? ")\n" : "\n");
    write_line(buffer_slice(&line));
}

void log_write(enum log_level level, const char *message, const struct log_field *fields) {
    if (!log_enabled(level)) {
        return;
    }
    if (state.format == LOG_FORMAT_JSON) {
        write_json(level, message, fields);
    } else {
        write_text(level, message, fields);
    }
}

static void append_number(struct buffer *line, double value) {
    // JSON has no word for infinity.
    buffer_appendf(line, "%.15g", isfinite(value) ? value : 0.0);
}

void log_metrics(const char *metric_namespace, const struct log_dimension *dimensions,
                 size_t dimension_count, const struct log_metric *metrics, size_t metric_count) {
    if (state.format != LOG_FORMAT_JSON) {
        return;
    }
    cleanup_buffer struct buffer line = BUFFER_INIT(LONGEST_LINE);
    buffer_appendf(&line, "{\"_aws\":{\"Timestamp\":%lld,\"CloudWatchMetrics\":[{\"Namespace\":",
                   (long long)now_ms());
    json_append_string(&line, slice_text(metric_namespace));
    buffer_append_text(&line, ",\"Dimensions\":[[");
    for (size_t i = 0; i < dimension_count; i++) {
        buffer_append_text(&line, i > 0 ? "," : "");
        json_append_string(&line, slice_text(dimensions[i].name));
    }
    buffer_append_text(&line, "]],\"Metrics\":[");
    for (size_t i = 0; i < metric_count; i++) {
        buffer_append_text(&line, i > 0 ? ",{\"Name\":" : "{\"Name\":");
        json_append_string(&line, slice_text(metrics[i].name));
        buffer_append_text(&line, ",\"Unit\":");
        json_append_string(&line, slice_text(metrics[i].unit));
        buffer_append_byte(&line, '}');
    }
    buffer_append_text(&line, "]}]}");
    for (size_t i = 0; i < dimension_count; i++) {
        append_member(&line, dimensions[i].name, slice_text(dimensions[i].value));
    }
    for (size_t i = 0; i < metric_count; i++) {
        buffer_append_byte(&line, ',');
        json_append_string(&line, slice_text(metrics[i].name));
        buffer_append_byte(&line, ':');
        append_number(&line, metrics[i].value);
    }
    append_request_id(&line);
    buffer_append_text(&line, "}\n");
    if (!line.overflowed) {
        write_line(buffer_slice(&line));
    }
}
