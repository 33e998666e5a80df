// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/handlers/metrics.h"

#include "common/log.h"

void metrics_write(const struct metrics *metrics) {
    int64_t duration_ms = 0;
    int64_t queued_ms = 0;
    const struct result *result = metrics->result;
    for (size_t i = 0; i < result->job_count; i++) {
        duration_ms += result->jobs[i].duration_ms;
        queued_ms += result->jobs[i].queued_ms;
    }
    const struct log_dimension dimensions[] = {
        {"FunctionName", metrics->function_name ? metrics->function_name : "unknown"},
        {"Status", metrics->status},
    };
    const struct log_metric values[] = {
        {"Jobs", "Count", (double)result->job_count},
        {"ColdStarts", "Count", metrics->cold_start ? 1 : 0},
        {"BootstrapOverhead", "Milliseconds",
         (double)(metrics->invocation_ms - metrics->runner_ms)},
        {"InitDuration", "Milliseconds", (double)metrics->init_ms},
        {"JobDuration", "Milliseconds", (double)duration_ms},
        {"JobQueuedTime", "Milliseconds", (double)queued_ms},
    };
    // Zeros of what did not happen would spoil averages: they are at the end, and left out.
    size_t count = result->job_count > 0 ? 6 : metrics->cold_start ? 4 : 3;
    log_metrics("Runlet", dimensions, 2, values, count);
}
