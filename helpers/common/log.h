// SPDX-License-Identifier: Apache-2.0
/// The program's log: JSON lines in Lambda's own format, or text for people at a terminal.
///
/// One write(2) a line, from any thread. A process has one log, so this is the one global state.
/// `log_info("job received", log_int("job", id), log_text("project", path));`
/// There is no field for a secret, and there will be none.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/slice.h"

enum log_level {
    LOG_LEVEL_TRACE,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_FATAL,
};

enum log_format {
    /// {"timestamp":"2026-11-24T02:05:45.123Z","level":"INFO","message":...,"requestId":...,...}
    LOG_FORMAT_JSON,
    /// "program: warning: message (name=value)"; INFO has no word of its own.
    LOG_FORMAT_TEXT,
};

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_TEXT, LOG_FIELD_INTEGER, LOG_FIELD_BOOLEAN };

/// A further member of the line; made by the functions below.
struct log_field {
    const char *name;
    enum log_field_kind kind;
    struct slice text;
    int64_t integer;
};

static inline struct log_field log_slice(const char *name, struct slice value) {
    return (struct log_field){.name = name, .kind = LOG_FIELD_TEXT, .text = value};
}

static inline struct log_field log_text(const char *name, const char *value) {
    return log_slice(name, slice_text(value));
}

static inline struct log_field log_int(const char *name, int64_t value) {
    return (struct log_field){.name = name, .kind = LOG_FIELD_INTEGER, .integer = value};
}

static inline struct log_field log_bool(const char *name, bool value) {
    return (struct log_field){.name = name, .kind = LOG_FIELD_BOOLEAN, .integer = value};
}

/// The two fields of an error: errorType and error.
#define LOG_ERROR_FIELDS(err) log_text("errorType", (err)->code), log_text("error", (err)->message)

/// The defaults before any of these is called: JSON, level INFO, stdout, the system's clock.
/// None of them is to be called while other threads log, but log_set_request_id.
void log_set_format(enum log_format format, const char *program);
void log_set_level(enum log_level level);
/// Where the lines go; the descriptor stays the caller's. Text goes to stderr by default.
void log_set_fd(int fd);
void log_set_clock(struct clock *clock);
/// The id that the lines carry from now on; NULL for none.
void log_set_request_id(const char *request_id);

/// Takes the level of AWS_LAMBDA_LOG_LEVEL; an unknown one is reported and leaves INFO.
void log_set_level_from_environment(void);
/// Tells whether a line of this level would be written.
bool log_enabled(enum log_level level);

/// Writes a line; `fields` end with one of kind LOG_FIELD_END. Texts over 16 KiB are cut. Errors of
/// the write are ignored: there is nobody left to tell.
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_trace(message, ...) log_write(LOG_LEVEL_TRACE, message, LOG_FIELDS(__VA_ARGS__))
#define log_debug(message, ...) log_write(LOG_LEVEL_DEBUG, message, LOG_FIELDS(__VA_ARGS__))
#define log_info(message, ...) log_write(LOG_LEVEL_INFO, message, LOG_FIELDS(__VA_ARGS__))
#define log_warn(message, ...) log_write(LOG_LEVEL_WARN, message, LOG_FIELDS(__VA_ARGS__))
#define log_error(message, ...) log_write(LOG_LEVEL_ERROR, message, LOG_FIELDS(__VA_ARGS__))
#define log_fatal(message, ...) log_write(LOG_LEVEL_FATAL, message, LOG_FIELDS(__VA_ARGS__))

struct log_dimension {
    const char *name;
    const char *value;
};

struct log_metric {
    const char *name;
    /// CloudWatch's word: "Milliseconds", "Bytes", "Count", "None", ...
    const char *unit;
    double value;
};

/// Writes one line in CloudWatch's Embedded Metric Format, whatever the level; nothing in the text
/// format. At most 30 dimensions and 100 metrics, all their names different.
/// Source:
/// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
void log_metrics(const char *metric_namespace, const struct log_dimension *dimensions,
                 size_t dimension_count, const struct log_metric *metrics, size_t metric_count);
