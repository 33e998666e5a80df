// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/download.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/http/http.h"
#include "layer-packer/progress.h"

enum {
    PATIENCE_S = 30,
    STALL_MS = 10 * 1000,
    MAX_REDIRECTS = 10,
    /// More than fit into the time: the time decides.
    MAX_ATTEMPTS = 1000000,
    MAX_URL = 8192,
};

/// Larger than anything that goes into a zip: a server without an end shall not fill the disk.
static const int64_t MAX_DOWNLOAD = INT64_C(4) << 30;

struct state {
    struct progress progress;
    /// Becomes readable when our patience ends; it runs from a failure until the next new byte.
    int timer;
    bool running;
    /// Bytes at the beginning of the file that are good, and the most there ever were.
    int64_t received;
    int64_t most;
    /// Why the last attempt failed.
    struct error last;
    bool has_last;
};

static void set_timer(struct state *state, bool running) {
    const struct itimerspec when = {.it_value.tv_sec = running ? PATIENCE_S : 0};
    if (state->running != running && timerfd_settime(state->timer, 0, &when, NULL) == 0) {
        state->running = running;
    }
}

static void note_progress(void *context, int64_t received, int64_t total) {
    struct state *state = context;
    state->received = received;
    if (received > state->most) {
        state->most = received;
        set_timer(state, false);
    }
    progress_update(&state->progress, received, total);
}

static void note_failure(void *context, const struct http_attempt *attempt) {
    struct state *state = context;
    if (attempt->error) {
        state->last = *attempt->error;
    } else {
        error_set(&state->last, "status", "the server answered %d", attempt->status);
    }
    state->has_last = true;
    set_timer(state, true);
}

bool download_prefix(const char *url, struct error *err) {
    cleanup_buffer struct buffer plain = BUFFER_INIT(MAX_URL);
    http_url_append_plain(&plain, url);
    return error_prefix(err, "%s", buffer_text(&plain));
}

/// Says what went wrong, with the URL once.
static bool explain(const char *url, const struct state *state, struct error *err) {
    if (error_is(err, "canceled") && state->has_last) {
        *err = state->last;
        (void)error_prefix(err, "gave up after %d s", PATIENCE_S);
    }
    cleanup_buffer struct buffer plain = BUFFER_INIT(MAX_URL);
    http_url_append_plain(&plain, url);
    if (plain.len > 0 && strstr(err->message, buffer_text(&plain))) {
        return false;
    }
    return download_prefix(url, err);
}

static bool is_https(const char *url) {
    return strncasecmp(url, "https://", strlen("https://")) == 0;
}

static bool run(const char *url, int fd, struct state *state, struct error *err) {
    static const int statuses[] = {408, 425, 429, 500, 501, 502, 503, 504, 505, 506, 507,
                                   508, 509, 510, 511, 520, 521, 522, 523, 524, 0};
    const bool plain = !is_https(url);
    const struct http_client_options options = {.allow_http = plain,
                                                .no_proxy = http_url_is_loopback(url)};
    cleanup_http_client struct http_client *client = http_client_new(&options);
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .stall_timeout_ms = STALL_MS,
        .cancel_fd = state->timer,
        .max_redirects = plain ? 0 : MAX_REDIRECTS,
    };
    const struct http_retry retry = {
        .attempts = MAX_ATTEMPTS,
        .base_ms = 250,
        .cap_ms = 2000,
        .retry_after_cap_ms = 10 * 1000,
        .statuses = statuses,
        .notify = note_failure,
        .context = state,
    };
    const struct http_download download = {
        .fd = fd,
        .resume_from = state->received,
        .max_size = MAX_DOWNLOAD,
        .progress = note_progress,
        .context = state,
    };
    return http_download(client, &request, &retry, &download, err);
}

bool download(const char *url, int fd, struct error *err) {
    struct stat status;
    if (!is_https(url) && !http_url_is_loopback(url)) {
        error_set(err, "url", "must be https (plain http is taken from loopback only)");
        return download_prefix(url, err);
    }
    if (fstat(fd, &status) != 0) {
        return error_errno(err, errno, "cannot download %s", url);
    }
    cleanup_close int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer < 0) {
        return error_errno(err, errno, "cannot make a timer");
    }
    struct state state = {.timer = timer, .received = status.st_size, .most = status.st_size};
    cleanup_buffer struct buffer plain = BUFFER_INIT(MAX_URL);
    http_url_append_plain(&plain, url);
    const char *slash = strrchr(buffer_text(&plain), '/');
    progress_start(&state.progress, slash && slash[1] != '\0' ? slash + 1 : url);
    const bool good = run(url, fd, &state, err);
    progress_end(&state.progress);
    if (good) {
        return true;
    }
    // What lies behind the last good byte is of an earlier attempt.
    const bool cut = ftruncate(fd, state.received) == 0;
    const int failure = errno;
    explain(url, &state, err);
    return cut ? false : error_errno(err, failure, "cannot cut what was downloaded of %s", url);
}
