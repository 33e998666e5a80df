// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <microhttpd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/http/http_connections.h"
#include "common/http/http_head.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

enum {
    COMFORTABLE_CONNECTIONS = 32,
    SILENCE_S = 60,
    LONGEST_TARGET = 2048,
    LARGEST_MESSAGE = 4096,
    /// The pieces that a streamed answer comes in.
    BLOCK_SIZE = 64 * 1024,
};
/// libcurl with OpenSSL needs about 100 KiB; only what is touched counts.
static const size_t THREAD_STACK = (size_t)256 << 10;
/// For a connection's headers, and the pieces that bodies come in.
static const size_t CONNECTION_MEMORY = HTTP_LARGEST_HEAD;

struct http_server {
    const struct http_route *routes;
    void *context;
    unsigned silence_s;
    struct http_connections *connections;
    struct MHD_Daemon *daemon;
    uint16_t port;
};

static int64_t now_ms(void) {
    return clock_monotonic_ms(clock_system());
}

// --- Requests ----------------------------------------------------------------------------------

static struct http_connection *connection_of(const struct http_server_request *request) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

struct slice http_server_header(const struct http_server_request *request, const char *name) {
    return slice_text(MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name));
}

void http_server_trust(struct http_server_request *request) {
    http_connections_busy(request->server->connections, connection_of(request));
}

void http_server_refuse(struct http_server_request *request, unsigned status, const char *message) {
    request->refusal = status;
    request->refusal_message = message;
    buffer_clean_up(&request->body);
}

/// Around what may wait for others than the peer.
static void suspend_silence(const struct http_server_request *request) {
    MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
}

/// It counts from now.
static void resume_silence(const struct http_server_request *request) {
    MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              request->server->silence_s);
}

/// Matches "/jobs/#/log" with a path.
static bool path_matches(const char *pattern, struct slice path, int64_t *number) {
    struct slice expected = slice_text(pattern);
    size_t mark = slice_find(expected, '#');
    if (mark == expected.len) {
        return slice_equal(expected, path);
    }
    struct slice before = {.data = expected.data, .len = mark};
    struct slice after = slice_skip(expected, mark + 1);
    if (!slice_starts_with(path, before)) {
        return false;
    }
    struct slice rest = slice_skip(path, mark);
    struct slice digits = {.data = rest.data};
    while (digits.len < rest.len && rest.data[digits.len] >= '0' && rest.data[digits.len] <= '9') {
        digits.len++;
    }
    return slice_equal(slice_skip(rest, digits.len), after) && slice_parse_integer(digits, number);
}

/// What may stand in a target that is passed on.
static bool is_plain(struct slice text) {
    return text.len <= LONGEST_TARGET && slice_is_visible(text) &&
           slice_find(text, '#') == text.len;
}

static void find_route(struct http_server_request *request, const struct http_server *server,
                       const char *method) {
    struct slice target = slice_text(request->target);
    size_t question = slice_find(target, '?');
    request->path = slice_make(target.data, question);
    request->query = slice_skip(target, question + 1);
    if (!is_plain(target)) {
        return;
    }
    for (const struct http_route *route = server->routes; route->method; route++) {
        if (strcmp(route->method, method) == 0 &&
            path_matches(route->path, request->path, &request->number)) {
            request->route = route;
            return;
        }
    }
}

static void begin(struct http_server_request *request, const struct http_server *server,
                  const char *method) {
    request->begun = true;
    find_route(request, server, method);
    if (!request->route) {
        http_server_refuse(request, MHD_HTTP_NOT_FOUND, "404 Not Found");
        return;
    }
    // It may show a token.
    request->body = (struct buffer)BUFFER_INIT_SENSITIVE(request->route->largest_body);
    if (request->route->begin) {
        request->route->begin(request);
    }
}

static void take(struct http_server_request *request, struct slice piece) {
    if (request->refusal) {
        return;
    }
    if (request->route->take) {
        suspend_silence(request);
        request->route->take(request, piece);
        resume_silence(request);
    } else if (!buffer_append(&request->body, piece)) {
        http_server_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "413 Request Entity Too Large");
    }
}

static bool finish(struct http_server_request *request) {
    if (request->refusal) {
        return http_server_answer_message(request, request->refusal, request->refusal_message);
    }
    suspend_silence(request);
    bool answered = request->route->finish(request);
    resume_silence(request);
    return answered;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_context) {
    const struct http_server *server = context;
    struct http_server_request *request = *request_context;
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
    return finish(request) ? MHD_YES : MHD_NO;
}

/// Called with the target before anything else: what it returns is the request's context.
static void *on_target(void *context, const char *target, struct MHD_Connection *connection) {
    struct http_server *server = context;
    struct http_server_request *request = xcalloc(1, sizeof(*request));
    request->context = server->context;
    request->server = server;
    request->connection = connection;
    request->target = xstrdup(target);
    buffer_init(&request->head, HTTP_LARGEST_HEAD);
    return request;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code) {
    const struct http_server *server = context;
    struct http_server_request *request = *request_context;
    (void)connection;
    (void)code;
    *request_context = NULL;
    if (!request) {
        return;
    }
    http_connections_idle(server->connections, connection_of(request), now_ms());
    if (request->route && request->route->release) {
        request->route->release(request->state);
    }
    buffer_clean_up(&request->body);
    buffer_clean_up(&request->head);
    free(request->target);
    free(request);
}

// --- Answers -----------------------------------------------------------------------------------

void http_server_add_header(struct http_server_request *request, struct slice name,
                            struct slice value) {
    if (http_header_is_valid(name, value)) {
        buffer_append(&request->head, name);
        buffer_append_text(&request->head, ": ");
        buffer_append(&request->head, value);
        buffer_append_byte(&request->head, '\n');
    }
}

void http_server_pass_headers(struct http_server_request *request, struct slice head) {
    size_t before = request->head.len;
    struct slice rest = {0}, name, value, unused;
    while (http_head_next(head, &rest, &name, &value)) {
        struct slice added = slice_make(request->head.data, before);
        if (http_header_is_passed_on(name) && !http_head_find(added, name, &unused)) {
            http_server_add_header(request, name, value);
        }
    }
}

static void set_headers(struct MHD_Response *response, struct slice head) {
    struct slice rest = {0}, name, value;
    while (http_head_next(head, &rest, &name, &value)) {
        cleanup_free char *name_text = slice_copy(name);
        cleanup_free char *value_text = slice_copy(value);
        MHD_add_response_header(response, name_text, value_text);
    }
}

/// Queues the response, which is released here.
static bool answer(struct http_server_request *request, unsigned status,
                   struct MHD_Response *response) {
    if (!response) {
        return false;
    }
    set_headers(response, buffer_slice(&request->head));
    bool queued = !request->head.overflowed &&
                  MHD_queue_response(request->connection, status, response) == MHD_YES;
    MHD_destroy_response(response);
    return queued;
}

bool http_server_answer(struct http_server_request *request, unsigned status, struct buffer *body) {
    if (!body || body->len == 0) {
        return answer(request, status,
                      MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(body->len, body->data, wipe_free);
    if (response) {
        // What it pointed to is released when it is sent.
        *body = (struct buffer){.max = body->max, .sensitive = body->sensitive};
    }
    buffer_clean_up(body);
    return answer(request, status, response);
}

bool http_server_answer_json(struct http_server_request *request, unsigned status,
                             struct buffer *body) {
    http_server_add_header(request, SLICE("Content-Type"), SLICE("application/json"));
    http_server_add_header(request, SLICE("Cache-Control"), SLICE("no-store"));
    return http_server_answer(request, status, body);
}

bool http_server_answer_message(struct http_server_request *request, unsigned status,
                                const char *message) {
    cleanup_buffer struct buffer body = BUFFER_INIT(LARGEST_MESSAGE);
    buffer_append_byte(&body, '{');
    json_append_member(&body, "message", slice_text(message));
    buffer_append_byte(&body, '}');
    return http_server_answer_json(request, status, &body);
}

static ssize_t on_read(void *context, uint64_t position, char *data, size_t size) {
    struct http_server_request *request = context;
    (void)position;
    suspend_silence(request);
    ssize_t count = request->read(request, data, size);
    resume_silence(request);
    return count > 0    ? count
           : count == 0 ? MHD_CONTENT_READER_END_OF_STREAM
                        : MHD_CONTENT_READER_END_WITH_ERROR;
}

bool http_server_answer_stream(struct http_server_request *request, unsigned status, int64_t length,
                               ssize_t (*read)(struct http_server_request *request, char *data,
                                               size_t size)) {
    request->read = read;
    uint64_t announced = length >= 0 ? (uint64_t)length : MHD_SIZE_UNKNOWN;
    return answer(request, status,
                  MHD_create_response_from_callback(announced, BLOCK_SIZE, on_read, request, NULL));
}

// --- The server --------------------------------------------------------------------------------

static void on_connection(void *context, struct MHD_Connection *connection, void **kept,
                          enum MHD_ConnectionNotificationCode code) {
    const struct http_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        http_connections_remove(server->connections, *kept);
        *kept = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *kept = info ? http_connections_add(server->connections, info->connect_fd, now_ms()) : NULL;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list arguments) {
    (void)context;
    (void)arguments;
    // What it says of a request may hold what the request said.
    log_debug("the HTTP server reports a problem", log_text("about", format));
}

static uint16_t bound_port(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

static void listen_on_loopback(struct http_server *server, unsigned comfortable) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    // More than is comfortable: connections that are shut down take a moment to go.
    const unsigned most = 2 * comfortable;
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
        MHD_OPTION_CONNECTION_LIMIT, most,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, server->silence_s,
        MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK,
        MHD_OPTION_END);
    // clang-format on
    server->port = server->daemon ? bound_port(server->daemon) : 0;
}

struct http_server *http_server_start(const struct http_server_options *options,
                                      struct error *err) {
    unsigned comfortable = options->connections ? options->connections : COMFORTABLE_CONNECTIONS;
    struct http_server *server = xcalloc(1, sizeof(*server));
    server->routes = options->routes;
    server->context = options->context;
    server->silence_s = options->silence_s ? options->silence_s : SILENCE_S;
    server->connections = http_connections_new(comfortable);
    listen_on_loopback(server, comfortable);
    if (server->port == 0) {
        error_errno(err, errno, "cannot listen on 127.0.0.1");
        http_server_stop(server);
        return NULL;
    }
    return server;
}

void http_server_stop(struct http_server *server) {
    if (server) {
        if (server->daemon) {
            MHD_stop_daemon(server->daemon);
        }
        http_connections_destroy(server->connections);
        free(server);
    }
}

uint16_t http_server_port(const struct http_server *server) {
    return server->port;
}
