// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/gitlab.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"

/// Clients that are kept for the next one who asks.
enum { KEPT_CLIENTS = 4 };

static const int64_t FIRST_PAUSE_MS = 250;
static const int64_t LONGEST_PAUSE_MS = 5000;
static const int64_t LONGEST_RETRY_AFTER_MS = 30000;
static const int64_t SHORTEST_ATTEMPT_MS = 100;

struct gitlab {
    char *server_url;
    struct http_trust *trust;
    struct http_host *hosts;
    size_t host_count;
    struct clock *clock;
    pthread_mutex_t lock;
    struct http_client *idle[KEPT_CLIENTS];
    size_t idle_count;
};

struct gitlab *gitlab_new(const struct gitlab_options *options) {
    struct gitlab *gitlab = xcalloc(1, sizeof(*gitlab));
    gitlab->server_url = xstrdup(options->server_url);
    gitlab->trust = http_trust_new(options->ca_file);
    gitlab->clock = options->clock ? options->clock : clock_system();
    gitlab->hosts = xcalloc(options->host_count + 1, sizeof(*gitlab->hosts));
    gitlab->host_count = options->host_count;
    for (size_t i = 0; i < options->host_count; i++) {
        gitlab->hosts[i].name = xstrdup(options->hosts[i].name);
        gitlab->hosts[i].addresses = xstrdup(options->hosts[i].addresses);
    }
    pthread_mutex_init(&gitlab->lock, NULL);
    return gitlab;
}

void gitlab_close_idle(struct gitlab *gitlab) {
    pthread_mutex_lock(&gitlab->lock);
    while (gitlab->idle_count > 0) {
        http_client_destroy(gitlab->idle[--gitlab->idle_count]);
    }
    pthread_mutex_unlock(&gitlab->lock);
}

void gitlab_destroy(struct gitlab *gitlab) {
    if (!gitlab) {
        return;
    }
    gitlab_close_idle(gitlab);
    http_trust_destroy(gitlab->trust);
    for (size_t i = 0; i < gitlab->host_count; i++) {
        free((void *)(uintptr_t)gitlab->hosts[i].name);
        free((void *)(uintptr_t)gitlab->hosts[i].addresses);
    }
    free(gitlab->hosts);
    free(gitlab->server_url);
    pthread_mutex_destroy(&gitlab->lock);
    free(gitlab);
}

void gitlab_destroyp(struct gitlab **gitlab) {
    gitlab_destroy(*gitlab);
}

static struct http_client *new_client(const struct gitlab *gitlab) {
    const struct http_client_options options = {
        .trust = gitlab->trust,
        .clock = gitlab->clock,
        .hosts = gitlab->hosts,
        .host_count = gitlab->host_count,
        // Who set CI_SERVER_URL to plain http has decided so.
        .allow_http = slice_starts_with(slice_text(gitlab->server_url), SLICE("http:")),
        .no_proxy = http_url_is_loopback(gitlab->server_url),
    };
    return http_client_new(&options);
}

struct http_client *gitlab_borrow(struct gitlab *gitlab) {
    struct http_client *client = NULL;
    pthread_mutex_lock(&gitlab->lock);
    if (gitlab->idle_count > 0) {
        client = gitlab->idle[--gitlab->idle_count];
    }
    pthread_mutex_unlock(&gitlab->lock);
    return client ? client : new_client(gitlab);
}

void gitlab_return(struct gitlab *gitlab, struct http_client *client) {
    pthread_mutex_lock(&gitlab->lock);
    if (gitlab->idle_count < KEPT_CLIENTS) {
        gitlab->idle[gitlab->idle_count++] = client;
        client = NULL;
    }
    pthread_mutex_unlock(&gitlab->lock);
    http_client_destroy(client);
}

struct clock *gitlab_clock(const struct gitlab *gitlab) {
    return gitlab->clock;
}

char *gitlab_url(const struct gitlab *gitlab, const char *path) {
    return xasprintf("%s/api/v4%s", gitlab->server_url, path);
}

bool gitlab_send(struct gitlab *gitlab, const struct gitlab_call *call,
                 const struct gitlab_patience *patience, struct http_response *response,
                 struct error *err) {
    cleanup_free char *url = gitlab_url(gitlab, call->path);
    const struct http_request request = {
        .method = call->method,
        .url = url,
        .headers = call->headers,
        .header_count = call->header_count,
        .body = call->body,
        .timeout_ms = patience->attempt_ms,
        .deadline_ms = patience->until_ms,
        .cancel_fd = patience->cancel_fd,
    };
    struct http_client *client = gitlab_borrow(gitlab);
    bool answered = http_send(client, &request, NULL, response, err);
    gitlab_return(gitlab, client);
    return answered;
}

bool gitlab_is_transient(int status) {
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

static int64_t own_pause_ms(struct gitlab *gitlab, unsigned failures) {
    int64_t pause = FIRST_PAUSE_MS;
    for (unsigned i = 1; i < failures && pause < LONGEST_PAUSE_MS; i++) {
        pause *= 2;
    }
    pause = pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
    return pause / 2 + clock_random_up_to(gitlab->clock, pause / 2);
}

bool gitlab_pause(struct gitlab *gitlab, struct gitlab_backoff *backoff,
                  const struct http_response *response, const struct gitlab_patience *patience) {
    backoff->failures++;
    int64_t pause = own_pause_ms(gitlab, backoff->failures);
    int64_t asked;
    if (response && http_response_retry_after(response, gitlab->clock, &asked) && asked > pause) {
        pause = asked < LONGEST_RETRY_AFTER_MS ? asked : LONGEST_RETRY_AFTER_MS;
    }
    int64_t left = clock_left_ms(gitlab->clock, patience->until_ms);
    if (left < SHORTEST_ATTEMPT_MS) {
        return false;
    }
    // The last attempts come closer together, so that there is time for an answer.
    int64_t longest = left / 4 * 3;
    if (longest > left - SHORTEST_ATTEMPT_MS) {
        longest = left - SHORTEST_ATTEMPT_MS;
    }
    return clock_sleep_ms(gitlab->clock, pause < longest ? pause : longest, patience->cancel_fd);
}
