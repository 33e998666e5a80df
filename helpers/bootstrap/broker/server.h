// SPDX-License-Identifier: Apache-2.0
/// The HTTP side of the broker: a server on 127.0.0.1 that hands requests to a table of routes.
///
/// Each connection has a thread, in which a route may wait as long as it likes. Anybody in the
/// environment can connect: when it gets crowded, connections on which nobody has shown a good
/// token yet make room for new ones, the oldest first.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/slice.h"

struct broker;
struct broker_server;
struct broker_route;

/// A request, from its headers to the end of its answer.
struct broker_request {
    struct broker *broker;
    struct broker_server *server;
    struct MHD_Connection *connection;
    const struct broker_route *route;
    /// The request's target as it came; `path` and `query` (without "?") lie in it.
    char *target;
    struct slice path;
    struct slice query;
    /// The number in the path, 0 where the route has none.
    int64_t id;
    /// The answer that is given when the body is in, which nobody looks at: the request is refused.
    unsigned refusal;
    const char *refusal_message;
    /// The body, for routes that want it whole.
    struct buffer body;
    /// What the route keeps; released by its `release`.
    void *state;
    bool begun;
};

struct broker_route {
    const char *method;
    /// With "#" for a number: "/api/v4/jobs/#/trace".
    const char *path;
    /// The largest body that is kept; 0 where `take` wants it piece by piece.
    size_t largest_body;
    /// Looks at the headers; calls broker_request_refuse() for a request that is not to go on.
    void (*begin)(struct broker_request *request);
    /// Takes a piece of the body. May wait.
    void (*take)(struct broker_request *request, struct slice piece);
    /// Answers, with broker_request_answer() or what stands on it. May wait.
    enum MHD_Result (*finish)(struct broker_request *request);
    /// May be NULL.
    void (*release)(void *state);
};

/// Listens on 127.0.0.1, on a free port; `routes` end with a zeroed one and must stay. NULL on
/// failure.
struct broker_server *broker_server_start(struct broker *broker, const struct broker_route *routes,
                                          uint16_t *port, struct error *err);
/// Closes all connections and joins all threads: whatever routes wait for must have been canceled.
void broker_server_stop(struct broker_server *server);

/// A request header's value; empty where there is none.
struct slice broker_request_header(const struct broker_request *request, const char *name);
/// The request showed a good token: its connection is not closed to make room while it is served.
void broker_request_trust(struct broker_request *request);
void broker_request_refuse(struct broker_request *request, unsigned status, const char *message);
/// To be called around whatever may wait: the server's own time limit for the peer stands still.
void broker_request_waits(struct broker_request *request, bool waits);

/// Queues a response, which is released here.
enum MHD_Result broker_request_answer(struct broker_request *request, unsigned status,
                                      struct MHD_Response *response);
/// Answers {"message": ...}.
enum MHD_Result broker_request_answer_text(struct broker_request *request, unsigned status,
                                           const char *message);
/// Answers with the JSON in `body`, and empties it; a sensitive one is wiped once it is sent.
enum MHD_Result broker_request_answer_json(struct broker_request *request, unsigned status,
                                           struct buffer *body);
/// Answers as GitLab did; `response` gives its body away.
enum MHD_Result broker_request_answer_like(struct broker_request *request,
                                           struct http_response *response);
/// A response with GitLab's headers, as far as they are to be passed on.
void broker_response_add_header(struct MHD_Response *response, struct slice name,
                                struct slice value);
/// Goes on to the next line of an answer's head; `*rest` is the whole head at first.
bool broker_next_header(struct slice *rest, struct slice *name, struct slice *value);
