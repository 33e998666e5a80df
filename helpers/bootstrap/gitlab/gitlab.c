// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/gitlab.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/timestamp.h"

/// Clients that are kept for the next one who asks.
enum { KEPT_CLIENTS = 4 };

static const int64_t FIRST_PAUSE_MS = 250;
static const int64_t LONGEST_PAUSE_MS = 5000;
static const int64_t LONGEST_ASKED_MS = 30000;
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

// --- Whose answer it is --------------------------------------------------------------------------

/// Answers that mean the same whoever gives them: a checksum, a size or an offset does not fit.
static bool speaks_for_itself(int status) {
    return status == 412 || status == 413 || status == 416;
}

/// Words of an error: "403 Forbidden - Job is not running". Others say "Forbidden" alone.
static bool begins_with_status(const struct json *error, const char *name, int status) {
    cleanup_free char *number = xasprintf("%d ", status);
    struct slice text;
    struct error unused;
    return json_has(error, name) && json_get_string(error, name, &text, &unused) &&
           slice_starts_with(text, slice_text(number));
}

/// Whether a body is one of GitLab's errors: {"message": "403 Forbidden"}, {"error": "404 Not
/// Found"}; where the parameters are wrong, any text or object.
static bool is_gitlabs_error(const struct http_response *response) {
    enum { MOST_VALUES = 1000 };
    cleanup_json_document struct json_document document = {0};
    struct error unused;
    if (!json_parse_bounded(buffer_slice(&response->body), "error", MOST_VALUES, &document,
                            &unused) ||
        !json_as_object(&document.root, &unused)) {
        return false;
    }
    int status = response->status;
    bool refused = status == 401 || status == 403 || status == 404;
    return refused ? begins_with_status(&document.root, "message", status) ||
                         begins_with_status(&document.root, "error", status)
                   : json_has(&document.root, "message") || json_has(&document.root, "error");
}

static bool is_html(const struct http_response *response) {
    struct slice type;
    return http_response_header(response, "Content-Type", &type) &&
           slice_starts_with(type, SLICE("text/html"));
}

/// Whether GitLab itself answered, or something on the way to it. An answer that may be another one
/// soon is trouble anyway.
static bool is_gitlabs(const struct http_response *response) {
    struct slice job_status;
    int status = response->status;
    if (http_response_header(response, "Job-Status", &job_status) || gitlab_is_transient(status) ||
        speaks_for_itself(status)) {
        return true;
    }
    if (status < 400) {
        return status < 300 && !is_html(response);
    }
    return is_gitlabs_error(response);
}

/// Nobody shall take it for GitLab's.
static void disown(struct http_response *response, struct error *err) {
    error_set(err, "foreign", "something on the way to GitLab answered with status %d",
              response->status);
    size_t max = response->body.max;
    http_response_clean_up(response);
    http_response_init(response, max);
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
    if (answered && !is_gitlabs(response)) {
        disown(response, err);
        return false;
    }
    return answered;
}

bool gitlab_is_transient(int status) {
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

// --- Pauses --------------------------------------------------------------------------------------

static int64_t longest_own_pause_ms(unsigned failures) {
    int64_t pause = FIRST_PAUSE_MS;
    for (unsigned i = 1; i < failures && pause < LONGEST_PAUSE_MS; i++) {
        pause *= 2;
    }
    return pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
}

/// How long GitLab wants us to wait; 0: it does not say.
static int64_t asked_pause_ms(struct gitlab *gitlab, const struct http_response *response) {
    int64_t asked = 0, reset;
    struct slice value;
    if (!http_response_retry_after(response, gitlab->clock, &asked)) {
        asked = 0;
    }
    if (response->status == 429 && http_response_header(response, "RateLimit-ResetTime", &value) &&
        timestamp_parse_http(value, &reset) && reset - clock_now_ms(gitlab->clock) > asked) {
        asked = reset - clock_now_ms(gitlab->clock);
    }
    return asked < LONGEST_ASKED_MS ? asked : LONGEST_ASKED_MS;
}

bool gitlab_pause(struct gitlab *gitlab, struct gitlab_backoff *backoff,
                  const struct http_response *response, const struct gitlab_patience *patience) {
    backoff->failures++;
    int64_t half = longest_own_pause_ms(backoff->failures) / 2;
    int64_t asked = response ? asked_pause_ms(gitlab, response) : 0;
    int64_t pause = (asked > half ? asked : half) + clock_random_up_to(gitlab->clock, half);
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
