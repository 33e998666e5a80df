// SPDX-License-Identifier: Apache-2.0
/// gitlab-runner's own log, line by line into ours: what the runner says about itself, not the
/// job's trace.
///
/// A job can write there too (its processes have the runner's user), so lines and their number are
/// bounded, and each becomes the message of a line of ours: nothing can pass for a line of the
/// bootstrap or for a metric.
#pragma once

#include "common/log.h"
#include "common/slice.h"

struct runner_log;

/// At most `max_lines` lines; of what follows only the number is logged.
struct runner_log *runner_log_new(unsigned max_lines) __attribute__((returns_nonnull));
/// Takes in some bytes, and logs the lines that they complete.
void runner_log_feed(struct runner_log *log, struct slice bytes);
/// Logs what is left and releases it; NULL is fine.
void runner_log_destroy(struct runner_log *log);
