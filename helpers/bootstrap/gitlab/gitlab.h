// SPDX-License-Identifier: Apache-2.0
/// The way to GitLab: where it is, whom to trust, and HTTP clients that threads take turns with.
///
/// Made once, at init; may be used from several threads. It knows URLs and retries, but nothing of
/// jobs and tokens: those are the broker's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/slice.h"

struct gitlab_options {
    /// CI_SERVER_URL without a final slash, https or http; copied.
    const char *server_url;
    /// CI_SERVER_TLS_CA_FILE, added to the system's certificates; NULL: none.
    const char *ca_file;
    /// RUNLET_EXTRA_HOSTS; copied.
    const struct http_host *hosts;
    size_t host_count;
    /// NULL: the system's.
    struct clock *clock;
};

struct gitlab;
#define cleanup_gitlab __attribute__((cleanup(gitlab_destroyp)))

struct gitlab *gitlab_new(const struct gitlab_options *options) __attribute__((returns_nonnull));
/// Everything borrowed must have been given back.
void gitlab_destroy(struct gitlab *gitlab);
void gitlab_destroyp(struct gitlab **gitlab);

/// Closes the connections that nobody uses: Lambda freezes us between invocations, and a
/// connection does not live through that.
void gitlab_close_idle(struct gitlab *gitlab);

/// A client for this thread, to be given back with gitlab_return(). Connections are kept.
struct http_client *gitlab_borrow(struct gitlab *gitlab) __attribute__((returns_nonnull));
void gitlab_return(struct gitlab *gitlab, struct http_client *client);
struct clock *gitlab_clock(const struct gitlab *gitlab);

/// One call of the API whose body is whole.
struct gitlab_call {
    const char *method;
    /// What follows "/api/v4": "/jobs/41/trace?debug_trace=false".
    const char *path;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
};

/// How long a call may take, and who may stop it.
struct gitlab_patience {
    /// Unix epoch: no attempt begins and no pause ends after it. 0: none.
    int64_t until_ms;
    /// For one attempt, from its first byte sent; 0: none.
    int64_t attempt_ms;
    /// Fails with "canceled" as soon as it is readable; 0 or less: none.
    int cancel_fd;
};

/// Sends it once and reads the whole answer into `response`, initialised by the caller. True if
/// GitLab answered, whatever the status. What stands between here and GitLab (a firewall, a proxy,
/// a page to log in at) is not believed where it refuses or accepts the call: that is a failure
/// (code "foreign"), and `response` is left without a status.
bool gitlab_send(struct gitlab *gitlab, const struct gitlab_call *call,
                 const struct gitlab_patience *patience, struct http_response *response,
                 struct error *err);

/// The whole URL of a path, for exchanges; to be released with free().
char *gitlab_url(const struct gitlab *gitlab, const char *path) __attribute__((returns_nonnull));

/// Tells whether an answer with this status may be another one soon: 408, 429, 5xx but 501, 505.
bool gitlab_is_transient(int status);

/// The pauses between attempts: random between half and all of a delay that doubles each time, from
/// 250 ms to 5 s. What GitLab asks for takes the place of the first half where it is longer, up to
/// 30 s; the random half is added all the same, so that those who were told the same time do not
/// come together. It asks by Retry-After, and with a 429 by RateLimit-ResetTime, an HTTP date.
/// Source: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/
struct gitlab_backoff {
    unsigned failures;
};
/// Counts a failure and waits, `response` being the answer, or NULL where there was none; for less
/// where an attempt could not be made before `until_ms` otherwise. False, at once, where there is
/// no time for another one or `cancel_fd` is readable.
bool gitlab_pause(struct gitlab *gitlab, struct gitlab_backoff *backoff,
                  const struct http_response *response, const struct gitlab_patience *patience);
