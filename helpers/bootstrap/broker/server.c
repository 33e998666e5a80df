// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/broker/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "bootstrap/broker/crowd.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

/// More than the crowd finds comfortable: those that are shut down take a moment to go.
static const unsigned MOST_CONNECTIONS = 64U;
/// libcurl with OpenSSL needs about 100 KiB; only what is touched counts.
static const size_t THREAD_STACK = (size_t)256 << 10;
/// For a connection's headers, and the pieces that bodies come in.
static const size_t CONNECTION_MEMORY = (size_t)128 << 10;
/// For a peer that says nothing, between requests or within one.
static const unsigned SILENCE_SECONDS = 60U;
enum { LONGEST_TARGET = 2048 };

struct broker_server {
    struct broker *broker;
    const struct broker_route *routes;
    struct broker_crowd *crowd;
    struct MHD_Daemon *daemon;
};

static int64_t now_ms(void) {
    return clock_monotonic_ms(clock_system());
}

// --- Requests ----------------------------------------------------------------------------------

static struct broker_guest *guest_of(const struct broker_request *request) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

struct slice broker_request_header(const struct broker_request *request, const char *name) {
    return slice_text(MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name));
}

void broker_request_trust(struct broker_request *request) {
    broker_guest_serve(request->server->crowd, guest_of(request));
}

void broker_request_refuse(struct broker_request *request, unsigned status, const char *message) {
    request->refusal = status;
    request->refusal_message = message;
    buffer_clean_up(&request->body);
}

void broker_request_waits(struct broker_request *request, bool waits) {
    // Going back to a limit also makes it count from now.
    MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              waits ? 0U : SILENCE_SECONDS);
}

/// Matches "/api/v4/jobs/#/trace" with a path.
static bool path_matches(const char *pattern, struct slice path, int64_t *id) {
    struct slice expected = slice_text(pattern);
    size_t number = slice_find(expected, '#');
    if (number == expected.len) {
        return slice_equal(expected, path);
    }
    struct slice before = {.data = expected.data, .len = number};
    struct slice after = slice_skip(expected, number + 1);
    if (!slice_starts_with(path, before)) {
        return false;
    }
    struct slice rest = slice_skip(path, number);
    struct slice digits = {.data = rest.data};
    while (digits.len < rest.len && rest.data[digits.len] >= '0' && rest.data[digits.len] <= '9') {
        digits.len++;
    }
    return slice_equal(slice_skip(rest, digits.len), after) && slice_parse_integer(digits, id);
}

/// What may stand in a target that we pass on.
static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f || text.data[i] == '#') {
            return false;
        }
    }
    return text.len <= LONGEST_TARGET;
}

static void find_route(struct broker_request *request, const struct broker_server *server,
                       const char *method) {
    struct slice target = slice_text(request->target);
    size_t question = slice_find(target, '?');
    request->path = slice_make(target.data, question);
    request->query = slice_skip(target, question + 1);
    if (!is_plain(target)) {
        return;
    }
    for (const struct broker_route *route = server->routes; route->method; route++) {
        if (strcmp(route->method, method) == 0 &&
            path_matches(route->path, request->path, &request->id)) {
            request->route = route;
            return;
        }
    }
}

static void begin(struct broker_request *request, const struct broker_server *server,
                  const char *method) {
    request->begun = true;
    find_route(request, server, method);
    if (!request->route) {
        broker_request_refuse(request, MHD_HTTP_NOT_FOUND, "404 Not Found");
        return;
    }
    buffer_init(&request->body, request->route->largest_body);
    if (request->route->begin) {
        request->route->begin(request);
    }
}

static void take(struct broker_request *request, struct slice piece) {
    if (request->refusal) {
        return;
    }
    if (request->route->take) {
        request->route->take(request, piece);
    } else if (!buffer_append(&request->body, piece)) {
        broker_request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "413 Request Entity Too Large");
    }
}

static enum MHD_Result finish(struct broker_request *request) {
    if (request->refusal) {
        return broker_request_answer_text(request, request->refusal, request->refusal_message);
    }
    broker_request_waits(request, true);
    enum MHD_Result result = request->route->finish(request);
    broker_request_waits(request, false);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_context) {
    const struct broker_server *server = context;
    struct broker_request *request = *request_context;
    (void)url;
    (void)version;
    (void)connection;
    if (!request) {
        return MHD_NO;
    }
    if (!request->begun) {
        begin(request, server, method);
        return MHD_YES;
    }
    if (*upload_size > 0) {
        take(request, slice_make(upload, *upload_size));
        *upload_size = 0;
        return MHD_YES;
    }
    return finish(request);
}

/// Called with the target before anything else: what it returns is the request's context.
static void *on_target(void *context, const char *target, struct MHD_Connection *connection) {
    struct broker_server *server = context;
    struct broker_request *request = xcalloc(1, sizeof(*request));
    request->broker = server->broker;
    request->server = server;
    request->connection = connection;
    request->target = xstrdup(target);
    return request;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code) {
    const struct broker_server *server = context;
    struct broker_request *request = *request_context;
    (void)connection;
    (void)code;
    *request_context = NULL;
    if (!request) {
        return;
    }
    broker_guest_rest(server->crowd, guest_of(request), now_ms());
    if (request->route && request->route->release) {
        request->route->release(request->state);
    }
    buffer_clean_up(&request->body);
    free(request->target);
    free(request);
}

// --- Answers -----------------------------------------------------------------------------------

enum MHD_Result broker_request_answer(struct broker_request *request, unsigned status,
                                      struct MHD_Response *response) {
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/// A response that takes what is in `body` away.
static struct MHD_Response *response_from(struct buffer *body) {
    if (body->len == 0) {
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
    if (response) {
        buffer_init(body, body->max);
    }
    return response;
}

static void release_sent(void *context) {
    struct buffer *body = context;
    buffer_clean_up(body);
    free(body);
}

enum MHD_Result broker_request_answer_json(struct broker_request *request, unsigned status,
                                           struct buffer *body) {
    // A copy of the buffer's value: what it points to is released when it is sent.
    struct buffer *sent = xcalloc(1, sizeof(*sent));
    *sent = *body;
    buffer_init(body, body->max);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        sent->len, sent->data, release_sent, sent);
    if (!response) {
        release_sent(sent);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return broker_request_answer(request, status, response);
}

enum MHD_Result broker_request_answer_text(struct broker_request *request, unsigned status,
                                           const char *message) {
    struct buffer body = BUFFER_INIT(4096);
    buffer_append_byte(&body, '{');
    json_append_member(&body, "message", slice_text(message));
    buffer_append_byte(&body, '}');
    return broker_request_answer_json(request, status, &body);
}

/// Headers that belong to GitLab's connection with us, or that the server makes.
static bool is_passed_on(struct slice name) {
    static const char *const dropped[] = {
        "Connection",       "Content-Length",
        "Keep-Alive",       "Proxy-Authenticate",
        "Proxy-Connection", "TE",
        "Trailer",          "Transfer-Encoding",
        "Upgrade",          "Alt-Svc",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++) {
        if (slice_equal_ignoring_case(name, slice_text(dropped[i]))) {
            return false;
        }
    }
    return true;
}

/// How seldom GitLab lets the runner send its trace, in seconds. More than this (60 where nobody
/// watches) and a runner learns of a cancel too late to run after_script.
static struct slice limit_interval(struct slice name, struct slice value) {
    enum { LONGEST_SECONDS = 15 };
    int64_t seconds;
    bool longer = slice_equal_ignoring_case(name, SLICE("X-GitLab-Trace-Update-Interval")) &&
                  slice_parse_integer(value, &seconds) && seconds > LONGEST_SECONDS;
    return longer ? SLICE("15") : value;
}

void broker_response_add_header(struct MHD_Response *response, struct slice name,
                                struct slice value) {
    if (is_passed_on(name)) {
        char *name_text = slice_copy(name);
        char *value_text = slice_copy(limit_interval(name, value));
        MHD_add_response_header(response, name_text, value_text);
        free(name_text);
        free(value_text);
    }
}

bool broker_next_header(struct slice *rest, struct slice *name, struct slice *value) {
    struct slice line;
    while (slice_split(rest, '\n', &line)) {
        size_t colon = slice_find(line, ':');
        if (colon > 0 && colon < line.len) {
            *name = slice_trim(slice_make(line.data, colon));
            *value = slice_trim(slice_skip(line, colon + 1));
            return true;
        }
    }
    return false;
}

enum MHD_Result broker_request_answer_like(struct broker_request *request,
                                           struct http_response *response) {
    struct MHD_Response *answer = response_from(&response->body);
    if (answer) {
        struct slice rest = buffer_slice(&response->head);
        struct slice name, value;
        while (broker_next_header(&rest, &name, &value)) {
            broker_response_add_header(answer, name, value);
        }
    }
    return broker_request_answer(request, (unsigned)response->status, answer);
}

// --- The server --------------------------------------------------------------------------------

static void on_connection(void *context, struct MHD_Connection *connection, void **guest,
                          enum MHD_ConnectionNotificationCode code) {
    const struct broker_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        broker_crowd_leave(server->crowd, *guest);
        *guest = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *guest = info ? broker_crowd_enter(server->crowd, info->connect_fd, now_ms()) : NULL;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list arguments) {
    (void)context;
    (void)arguments;
    // What it says of a request may hold what the request said.
    log_debug("the broker's server complains", log_text("about", format));
}

static uint16_t bound_port(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

struct broker_server *broker_server_start(struct broker *broker, const struct broker_route *routes,
                                          uint16_t *port, struct error *err) {
    struct broker_server *server = xcalloc(1, sizeof(*server));
    server->broker = broker;
    server->routes = routes;
    server->crowd = broker_crowd_new();
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    // clang-format off
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&address,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_CONNECTION_LIMIT, MOST_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_SECONDS,
        MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK,
        MHD_OPTION_END);
    // clang-format on
    *port = server->daemon ? bound_port(server->daemon) : 0;
    if (*port == 0) {
        error_errno(err, errno, "cannot listen on 127.0.0.1");
        broker_server_stop(server);
        return NULL;
    }
    return server;
}

void broker_server_stop(struct broker_server *server) {
    if (server) {
        if (server->daemon) {
            MHD_stop_daemon(server->daemon);
        }
        broker_crowd_destroy(server->crowd);
        free(server);
    }
}
