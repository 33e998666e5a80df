// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/runtime/runtime_api.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http.h"
#include "common/json.h"
#include "common/log.h"

/// Lambda's limit is 6 MiB and a little.
static const size_t MAX_EVENT = (size_t)8 << 20;
static const size_t MAX_ANSWER = (size_t)64 << 10;
static const int64_t LONGEST_INVOCATION_MS = INT64_C(900) * 1000;
enum { INIT_ERROR_TIMEOUT_MS = 2000 };
enum { CONNECT_TIMEOUT_MS = 1000 };
enum { NEXT_ATTEMPTS = 5 };
enum { NEXT_PAUSE_MS = 50 };

struct runtime_api {
    struct clock *clock;
    struct http_client *http;
    /// "http://HOST:PORT/2018-06-01/runtime"
    char *base;
    /// That and "/invocation/next", kept since every event asks for it.
    char *next_url;
};

static struct http_client *new_client(struct clock *clock) {
    return http_client_new(
        &(struct http_client_options){.clock = clock, .allow_http = true, .no_proxy = true});
}

struct runtime_api *runtime_api_new(const char *address, struct clock *clock) {
    struct runtime_api *api = xcalloc(1, sizeof(*api));
    api->clock = clock ? clock : clock_system();
    api->http = new_client(api->clock);
    api->base = xasprintf("http://%s/2018-06-01/runtime", address);
    api->next_url = xasprintf("%s/invocation/next", api->base);
    return api;
}

void runtime_api_destroy(struct runtime_api *api) {
    if (api) {
        http_client_destroy(api->http);
        free(api->base);
        free(api->next_url);
        free(api);
    }
}

void invocation_clean_up(struct invocation *invocation) {
    free(invocation->request_id);
    free(invocation->function_arn);
    free(invocation->trace_id);
    buffer_clean_up(&invocation->event);
    *invocation = (struct invocation){0};
}

// --- Next ----------------------------------------------------------------------------------------

/// A copy of the header, or NULL where it is missing or empty.
static char *copy_header(const struct http_response *response, const char *name) {
    struct slice value;
    bool there = http_response_header(response, name, &value) && value.len > 0;
    return there ? slice_copy(value) : NULL;
}

/// The id becomes part of a path: nothing in it may mean something there.
static bool is_request_id(const char *id) {
    size_t len = strlen(id);
    return len <= 128 && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-_") == len;
}

static int64_t read_deadline(const struct runtime_api *api, const struct http_response *response) {
    struct slice value;
    int64_t deadline_ms = 0;
    if (http_response_header(response, "Lambda-Runtime-Deadline-Ms", &value) &&
        slice_parse_integer(value, &deadline_ms) && deadline_ms > 0) {
        return deadline_ms;
    }
    return clock_now_ms(api->clock) + LONGEST_INVOCATION_MS;
}

static bool take_invocation(const struct runtime_api *api, struct http_response *response,
                            struct invocation *invocation, struct error *err) {
    if (response->status != 200) {
        return error_set(err, "status", "the Runtime API answered %d instead of an event",
                         response->status);
    }
    cleanup_free char *id = copy_header(response, "Lambda-Runtime-Aws-Request-Id");
    if (!id || !is_request_id(id)) {
        return error_set(err, "protocol", "the Runtime API gave an event without a valid id");
    }
    *invocation = (struct invocation){
        .request_id = steal_pointer(&id),
        .function_arn = copy_header(response, "Lambda-Runtime-Invoked-Function-Arn"),
        .trace_id = copy_header(response, "Lambda-Runtime-Trace-Id"),
        .deadline_ms = read_deadline(api, response),
        .event = response->body,
    };
    buffer_init(&response->body, 0);
    return true;
}

bool runtime_api_next(struct runtime_api *api, int cancel_fd, struct invocation *invocation,
                      struct error *err) {
    const struct http_request request = {
        .method = "GET",
        .url = api->next_url,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .cancel_fd = cancel_fd,
    };
    cleanup_http_response struct http_response response = {0};
    http_response_init(&response, MAX_EVENT);
    for (int attempt = 1; !http_send(api->http, &request, NULL, &response, err); attempt++) {
        if (!error_is(err, "connect") || attempt == NEXT_ATTEMPTS) {
            return error_prefix(err, "cannot ask for the next event");
        }
        if (!clock_sleep_ms(api->clock, NEXT_PAUSE_MS << attempt, cancel_fd)) {
            return error_set(err, "canceled", "no event is wanted any more");
        }
    }
    return take_invocation(api, &response, invocation, err);
}

// --- Response and error --------------------------------------------------------------------------

static bool post(struct runtime_api *api, const char *url, const struct http_header *headers,
                 size_t header_count, struct slice body, int64_t deadline_ms, int *status,
                 struct error *err) {
    const struct http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .header_count = header_count,
        .body = body,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .deadline_ms = deadline_ms,
    };
    cleanup_http_response struct http_response response = {0};
    http_response_init(&response, MAX_ANSWER);
    if (!http_send(api->http, &request, NULL, &response, err)) {
        return false;
    }
    *status = response.status;
    return true;
}

static enum runtime_answer judge(bool answered, int status, struct error *err) {
    if (!answered) {
        return RUNTIME_REFUSED;
    }
    if (status == 202) {
        return RUNTIME_ACCEPTED;
    }
    if (status == 413) {
        error_set(err, "too_large", "Lambda found the response too large");
        return RUNTIME_TOO_LARGE;
    }
    error_set(err, "refused", "Lambda answered %d to our response", status);
    return RUNTIME_REFUSED;
}

enum runtime_answer runtime_api_respond(struct runtime_api *api,
                                        const struct invocation *invocation, struct slice body,
                                        struct error *err) {
    const struct http_header headers[] = {{SLICE("Content-Type"), SLICE("application/json")}};
    cleanup_free char *url =
        xasprintf("%s/invocation/%s/response", api->base, invocation->request_id);
    int status = 0;
    bool answered = post(api, url, headers, 1, body, invocation->deadline_ms, &status, err);
    return judge(answered, status, err);
}

/// {"errorMessage": ..., "errorType": ..., "stackTrace": []}
static bool append_failure(const struct error *failure, struct buffer *body, struct error *err) {
    buffer_append_byte(body, '{');
    json_append_member(body, "errorMessage", slice_text(failure->message));
    json_append_member(body, "errorType", slice_text(failure->code));
    buffer_append_text(body, ",\"stackTrace\":[]}");
    return buffer_check(body, "the error", err);
}

static bool post_failure(struct runtime_api *api, const char *url, const struct error *failure,
                         int64_t deadline_ms, int *status, struct error *err) {
    cleanup_buffer struct buffer body = BUFFER_INIT(MAX_ANSWER);
    if (!append_failure(failure, &body, err)) {
        return false;
    }
    const struct http_header headers[] = {
        {SLICE("Content-Type"), SLICE("application/vnd.aws.lambda.error+json")},
        {SLICE("Lambda-Runtime-Function-Error-Type"), slice_text(failure->code)},
    };
    return post(api, url, headers, 2, buffer_slice(&body), deadline_ms, status, err);
}

enum runtime_answer runtime_api_fail(struct runtime_api *api, const struct invocation *invocation,
                                     const struct error *failure, struct error *err) {
    cleanup_free char *url = xasprintf("%s/invocation/%s/error", api->base, invocation->request_id);
    int status = 0;
    bool answered = post_failure(api, url, failure, invocation->deadline_ms, &status, err);
    return judge(answered, status, err);
}

bool runtime_api_init_error(struct runtime_api *api, const struct error *failure,
                            struct error *err) {
    cleanup_free char *url = xasprintf("%s/init/error", api->base);
    int64_t deadline_ms = clock_now_ms(api->clock) + INIT_ERROR_TIMEOUT_MS;
    int status = 0;
    if (!post_failure(api, url, failure, deadline_ms, &status, err)) {
        return false;
    }
    return status == 202 ||
           error_set(err, "refused", "Lambda answered %d to our init error", status);
}
