// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/trace.h"

#include <ctype.h>
#include <string.h>
#include <zlib.h>

#include "common/timestamp.h"

struct job_trace job_trace_empty(void) {
    return (struct job_trace){.crc_known = true, .line_ended = true};
}

struct job_trace_plan job_trace_plan(const struct job_trace *trace, int64_t first,
                                     struct slice bytes) {
    struct job_trace_plan plan = {.offset = first, .bytes = bytes};
    if (!trace->line_added) {
        return plan;
    }
    int64_t end = first + (int64_t)bytes.len;
    if (first >= trace->line_at) {
        plan.offset = first + trace->line_length;
    } else if (trace->doubtful) {
        plan.probe = true;
    } else if (end <= trace->line_at) {
        plan.skip = true;
    } else {
        plan.bytes = slice_skip(bytes, (size_t)(trace->line_at - first));
        plan.offset = trace->line_at + trace->line_length;
    }
    return plan;
}

static uint32_t add_to_crc(uint32_t crc, struct slice bytes) {
    return (uint32_t)crc32_z(crc, (const unsigned char *)bytes.data, bytes.len);
}

/// Before the size grows by these bytes, the last of the trace.
static void keep_head(struct job_trace *trace, struct slice bytes) {
    if (trace->size < JOB_TRACE_STAMP && trace->crc_known) {
        size_t at = (size_t)trace->size, room = sizeof(trace->head) - at;
        memcpy(trace->head + at, bytes.data, bytes.len < room ? bytes.len : room);
    }
}

/// GitLab has these bytes at this offset, and perhaps more.
static void acknowledge(struct job_trace *trace, int64_t offset, struct slice bytes) {
    int64_t end = offset + (int64_t)bytes.len;
    if (end <= trace->size) {
        return;
    }
    if (offset > trace->size) {
        // Somebody else wrote what lies in between.
        trace->crc_known = false;
    } else {
        bytes = slice_skip(bytes, (size_t)(trace->size - offset));
    }
    if (trace->crc_known) {
        trace->crc = add_to_crc(trace->crc, bytes);
    }
    keep_head(trace, bytes);
    trace->size = end;
    trace->line_ended = bytes.data[bytes.len - 1] == '\n';
}

void job_trace_taken(struct job_trace *trace, int64_t offset, struct slice bytes) {
    if (offset < trace->size) {
        job_trace_resize(trace, offset);
    }
    acknowledge(trace, offset, bytes);
    trace->doubtful = false;
}

size_t job_trace_find(struct job_trace *trace, const struct job_trace_plan *plan, int64_t size) {
    int64_t end = plan->offset + (int64_t)plan->bytes.len;
    if (size <= plan->offset || size > end || (plan->probe && size == trace->size)) {
        return 0;
    }
    if (plan->probe || size < trace->size) {
        // What we thought to be there was forgotten before this was taken.
        job_trace_resize(trace, plan->offset);
    }
    size_t there = (size_t)(size - plan->offset);
    acknowledge(trace, plan->offset, slice_make(plan->bytes.data, there));
    return there;
}

void job_trace_resize(struct job_trace *trace, int64_t size) {
    if (size == trace->size) {
        return;
    }
    if (size == 0) {
        // It has forgotten everything, our line too.
        *trace = job_trace_empty();
        return;
    }
    trace->crc_known = false;
    trace->line_ended = false;
    if (size < trace->size) {
        // It was forgotten, and somebody has begun to send it anew.
        trace->line_added = false;
    }
    trace->size = size;
}

/// Whether the trace's lines begin with a time.
static bool is_stamped(const struct job_trace *trace) {
    // 0: a digit, h: a hexadecimal one, s: the kind of the stream, c: whether it goes on.
    static const char form[] = "0000-00-00T00:00:00.000000Z hhsc";
    _Static_assert(sizeof(form) - 1 == JOB_TRACE_STAMP, "a form for each byte");
    bool fits = trace->size >= JOB_TRACE_STAMP;
    for (size_t i = 0; fits && i < JOB_TRACE_STAMP; i++) {
        unsigned char byte = (unsigned char)trace->head[i];
        fits = form[i] == '0'   ? isdigit(byte) != 0
               : form[i] == 'h' ? isxdigit(byte) != 0
               : form[i] == 's' ? byte == 'O' || byte == 'E'
               : form[i] == 'c' ? byte == ' ' || byte == '+'
                                : byte == (unsigned char)form[i];
    }
    return fits;
}

/// As the runner stamps a line of its own.
static void append_stamp(int64_t now_ms, struct buffer *out) {
    struct timestamp now = timestamp_rfc3339(now_ms);
    struct slice text = slice_text(now.text);
    buffer_append(out, slice_make(text.data, text.len - strlen("Z")));
    buffer_append_text(out, "000Z 00O ");
}

void job_trace_format_line(const struct job_trace *trace, const char *line, int64_t now_ms,
                           struct buffer *out) {
    struct slice text = slice_text(line);
    if (!trace->line_ended) {
        buffer_append_byte(out, '\n');
    }
    if (is_stamped(trace)) {
        append_stamp(now_ms, out);
    }
    buffer_append(out, text);
    if (!slice_ends_with(text, SLICE("\n"))) {
        buffer_append_byte(out, '\n');
    }
}

void job_trace_line_added(struct job_trace *trace, int64_t offset, struct slice formatted) {
    acknowledge(trace, offset, formatted);
    trace->line_added = true;
    trace->line_at = offset;
    trace->line_length = (int64_t)formatted.len;
}

int64_t job_trace_runner_offset(const struct job_trace *trace, int64_t size) {
    if (!trace->line_added || size <= trace->line_at) {
        return size;
    }
    int64_t line_end = trace->line_at + trace->line_length;
    return size < line_end ? trace->line_at : size - trace->line_length;
}

/// So far below the largest number that sums of offsets and lengths are none of them too large.
static bool is_offset(int64_t value) {
    return value >= 0 && value <= INT64_C(1) << 53;
}

bool job_trace_parse_range(struct slice text, int64_t *first, int64_t *last) {
    struct slice rest = slice_trim(text);
    struct slice low, high, more;
    return slice_split(&rest, '-', &low) && slice_split(&rest, '-', &high) &&
           !slice_split(&rest, '-', &more) && slice_parse_integer(low, first) &&
           slice_parse_integer(high, last) && is_offset(*first) && is_offset(*last);
}
