// SPDX-License-Identifier: Apache-2.0
// What GitLab, the runner and job scripts send to the broker, and what a secret may hold.
#include <stddef.h>
#include <stdint.h>

#include "bootstrap/credentials/runner_token.h"
#include "bootstrap/gitlab/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *read_text(void *context, int64_t deadline_ms, struct error *err) {
    const struct slice *text = context;
    (void)deadline_ms;
    (void)err;
    return secret_new(*text);
}

/// Takes the text for what a secret holds.
static void read_token(struct slice text) {
    struct error err;
    cleanup_token_source struct token_source *source = token_source_new(read_text, &text, "x");
    secret_destroy(token_source_get(source, 0, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice text = slice_make(data, size);
    struct error err;
    cleanup_buffer struct buffer out = BUFFER_INIT((size_t)1 << 20);

    bool readable;
    job_destroy(job_parse(text, &readable, &err));
    cleanup_job_update struct job_update update = {0};
    (void)job_update_parse(text, &update, &err);
    job_update_explain(&update, "job_execution_timeout");
    const struct job_trace trace = job_trace_empty();
    (void)job_update_rewrite(text, &update, &trace, &out, &err);
    cleanup_secret struct secret *real = secret_new(SLICE("glrt-real"));
    buffer_reset(&out);
    (void)job_request_rewrite(text, "x", real, "s_0123456789ab", true, &out, &err);
    read_token(text);
    int64_t first;
    int64_t last;
    (void)job_trace_parse_range(text, &first, &last);
    return 0;
}
