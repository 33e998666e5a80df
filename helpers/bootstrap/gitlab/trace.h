// SPDX-License-Identifier: Apache-2.0
/// The arithmetic of a job's trace, with no I/O: how much of it GitLab has, its checksum, and where
/// the runner's patches belong once a line of ours stands in between.
///
/// The runner counts offsets in what it wrote itself, GitLab in what it has got. Both are the same
/// until a line is added; from then on what follows it lies further back in GitLab's trace.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/slice.h"

/// What newer gitlab-runners begin each line with: the time in microseconds, the stream in two
/// hexadecimal digits, O or E for what it is (stdout, stderr), and a blank, or a plus where the
/// line goes on with the stream's last one: "2024-05-22T12:43:46.962646Z 00O ". Source:
/// gitlab-runner's FF_TIMESTAMPS, common/buildlogger/internal/timestamper
enum { JOB_TRACE_STAMP = 32 };

struct job_trace {
    /// Bytes that GitLab has acknowledged, its CRC-32, and whether that is known: it is not after
    /// others wrote to the trace, or a part was lost.
    int64_t size;
    uint32_t crc;
    bool crc_known;
    /// The last of these bytes ended a line.
    bool line_ended;
    /// How the trace begins, as much of it as `size` says: that is the runner's own first line, so
    /// a job cannot make us take its lines for stamped ones.
    char head[JOB_TRACE_STAMP];
    /// Our line: where it stands in GitLab's trace.
    bool line_added;
    int64_t line_at;
    int64_t line_length;
    /// GitLab has refused the trace as a whole, so it may have forgotten all of it.
    bool doubtful;
};

/// An empty trace.
struct job_trace job_trace_empty(void);

/// What is to be sent for a patch of the runner.
struct job_trace_plan {
    /// Nothing: GitLab has it.
    bool skip;
    /// Sent to see whether GitLab has forgotten the trace: if it is taken, it has.
    bool probe;
    int64_t offset;
    struct slice bytes;
};
/// Plans a patch whose first byte is at `first` in what the runner wrote.
struct job_trace_plan job_trace_plan(const struct job_trace *trace, int64_t first,
                                     struct slice bytes);

/// GitLab took these bytes: its trace ended at this offset before, whatever we thought.
void job_trace_taken(struct job_trace *trace, int64_t offset, struct slice bytes);
/// GitLab refuses a patch because its trace has this size: returns how many of the patch's bytes it
/// has, since it took them earlier and its answer got lost; 0 where that is not so.
size_t job_trace_find(struct job_trace *trace, const struct job_trace_plan *plan, int64_t size);
/// GitLab says that its trace has this size; what is in it is not known where we thought otherwise.
void job_trace_resize(struct job_trace *trace, int64_t size);

/// Appends to `out` the line as it is to be put at the end of the trace: on a line of its own, and
/// with the time `now_ms` (Unix epoch) before it where the trace's lines have one.
void job_trace_format_line(const struct job_trace *trace, const char *line, int64_t now_ms,
                           struct buffer *out);
/// GitLab has our line, formatted, at this offset.
void job_trace_line_added(struct job_trace *trace, int64_t offset, struct slice formatted);

/// The runner's offset for a size of GitLab's trace.
int64_t job_trace_runner_offset(const struct job_trace *trace, int64_t size);

/// Reads "<first>-<last>" of a Content-Range or Range header, as the runner's protocol has it.
bool job_trace_parse_range(struct slice text, int64_t *first, int64_t *last);
