// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "layer-packer/summary.h"

enum { WIDTH = 30, PAUSE_MS = 100 };
static const char clear_line[] = "\r\033[K";

void progress_start(struct progress *progress, const char *name) {
    *progress = (struct progress){.name = name, .shown = isatty(STDERR_FILENO) == 1};
}

void progress_update(struct progress *progress, int64_t received, int64_t total) {
    const int64_t now = clock_monotonic_ms(clock_system());
    if (!progress->shown ||
        (progress->last_ms != 0 && now - progress->last_ms < PAUSE_MS && received != total)) {
        return;
    }
    progress->last_ms = now;
    cleanup_free char *have = summary_format_size((uint64_t)received);
    if (total <= 0) {
        (void)fprintf(stderr, "%s%s  %s", clear_line, progress->name, have);
        return;
    }
    cleanup_free char *all = summary_format_size((uint64_t)total);
    const double part = received < total ? (double)received / (double)total : 1;
    char bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++) {
        bar[i] = i < (int)(part * (double)WIDTH) ? '#' : '.';
    }
    bar[WIDTH] = '\0';
    (void)fprintf(stderr, "%s%s  [%s] %3d %%  %s of %s", clear_line, progress->name, bar,
                  (int)(100 * part), have, all);
}

void progress_end(struct progress *progress) {
    if (progress->shown && progress->last_ms != 0) {
        (void)fputs(clear_line, stderr);
    }
}
