// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/runner_log.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/json.h"

enum { MAX_LINE = 4096 };

struct runner_log {
    struct buffer line;
    /// The rest of a line that was too long is dropped up to its end.
    bool skipping;
    unsigned lines;
    unsigned max_lines;
};

struct runner_log *runner_log_new(unsigned max_lines) {
    struct runner_log *log = xcalloc(1, sizeof(*log));
    buffer_init(&log->line, MAX_LINE);
    log->max_lines = max_lines;
    return log;
}

static enum log_level level_of(struct slice word) {
    static const struct {
        const char *word;
        enum log_level level;
    } levels[] = {
        {"trace", LOG_LEVEL_TRACE},  {"debug", LOG_LEVEL_DEBUG}, {"info", LOG_LEVEL_INFO},
        {"warning", LOG_LEVEL_WARN}, {"error", LOG_LEVEL_ERROR}, {"fatal", LOG_LEVEL_ERROR},
        {"panic", LOG_LEVEL_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (slice_equal_text(word, levels[i].word)) {
            return levels[i].level;
        }
    }
    return LOG_LEVEL_INFO;
}

/// What one line says: JSON as `--log-format json` writes it, or anything else.
struct runner_line {
    enum log_level level;
    struct slice message;
    /// The line's "error"; empty where there is none.
    struct slice error;
    /// The line's "job"; 0 where there is none.
    int64_t job;
};

/// Reads a line; the texts borrow from it and from `document`, which the caller zeroes and
/// releases.
static struct runner_line parse_line(struct slice line, struct json_document *document) {
    struct runner_line result = {.level = LOG_LEVEL_INFO, .message = line};
    struct error ignored;
    if (!slice_starts_with(line, SLICE("{")) || !json_parse(line, "line", document, &ignored)) {
        return result;
    }
    struct slice level = {0};
    struct slice message;
    if (!json_get_string(&document->root, "msg", &message, &ignored)) {
        return result;
    }
    result.message = slice_trim(message);
    if (json_get_string(&document->root, "level", &level, &ignored)) {
        result.level = level_of(level);
    }
    if (!json_get_string(&document->root, "error", &result.error, &ignored)) {
        result.error = (struct slice){0};
    }
    if (!json_get_integer(&document->root, "job", &result.job, &ignored)) {
        result.job = 0;
    }
    return result;
}

static void write_line(const struct runner_line *line) {
    char *message = slice_copy(line->message);
    struct log_field fields[4] = {log_text("source", "gitlab-runner")};
    size_t count = 1;
    if (line->job > 0) {
        fields[count++] = log_int("job", line->job);
    }
    if (line->error.len > 0) {
        fields[count++] = log_slice("error", line->error);
    }
    log_write(line->level, message, fields);
    free(message);
}

static void end_line(struct runner_log *log) {
    struct slice line = slice_trim(buffer_slice(&log->line));
    if (line.len > 0) {
        if (log->lines < log->max_lines) {
            cleanup_json_document struct json_document document = {0};
            struct runner_line parsed = parse_line(line, &document);
            write_line(&parsed);
        }
        log->lines++;
    }
    buffer_reset(&log->line);
    log->skipping = false;
}

static void append(struct runner_log *log, struct slice part) {
    size_t room = MAX_LINE - log->line.len;
    if (log->skipping) {
        return;
    }
    log->skipping = part.len > room;
    buffer_append(&log->line, slice_make(part.data, part.len < room ? part.len : room));
}

void runner_log_feed(struct runner_log *log, struct slice bytes) {
    while (bytes.len > 0) {
        size_t end = slice_find(bytes, '\n');
        append(log, slice_make(bytes.data, end));
        if (end < bytes.len) {
            end_line(log);
            end++;
        }
        bytes = slice_skip(bytes, end);
    }
}

void runner_log_destroy(struct runner_log *log) {
    if (!log) {
        return;
    }
    end_line(log);
    if (log->lines > log->max_lines) {
        log_warn("gitlab-runner wrote more lines than are kept",
                 log_int("dropped", log->lines - log->max_lines));
    }
    buffer_clean_up(&log->line);
    free(log);
}
