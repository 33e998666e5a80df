// SPDX-License-Identifier: Apache-2.0
/// An HTTP/1.1 server on 127.0.0.1 (libmicrohttpd) that hands requests to a table of routes.
///
/// Threads: each connection has one, in which all callbacks of its requests run, and in which a
/// route may wait as long as it likes. What requests share by way of the context, their owner
/// locks.
///
/// Ownership: the table of routes and the context are borrowed for the server's life. A request is
/// the server's, from the route's `begin` to its `release`; so are all slices that it gives.
///
/// Limits: a target of 2,048 bytes of printable ASCII; 128 KiB for a request's headers; connections
/// and silence as in the options; a body as its route says. Anybody on the machine can connect:
/// where all places are taken, connections that serve no trusted request make room for new ones, as
/// http_connections.h tells.
///
/// Refusals are JSON, {"message": ...}: 404 where there is no route for method and path, 413 where
/// the body is too large, and what a route refuses.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"

struct http_server;
struct MHD_Connection;

struct http_server_request {
    /// The server's context.
    void *context;
    /// The request's target as it came, up to "?" and behind it.
    struct slice path;
    struct slice query;
    /// What stands for "#" in the path, 0 where the route has none.
    int64_t number;
    /// The body, for routes that want it whole.
    struct buffer body;
    /// What the route keeps; released by its `release`.
    void *state;

    // The server's own.
    struct http_server *server;
    struct MHD_Connection *connection;
    const struct http_route *route;
    char *target;
    bool begun;
    /// The answer that is given when the body is in, which nobody looks at.
    unsigned refusal;
    const char *refusal_message;
    /// The header lines of the answer to come.
    struct buffer head;
    ssize_t (*read)(struct http_server_request *request, char *data, size_t size);
};

struct http_route {
    const char *method;
    /// With "#" for a number of digits: "/jobs/#/log".
    const char *path;
    /// The largest body that is kept; 0 where `take` wants it piece by piece.
    size_t largest_body;
    /// Looks at the headers; calls http_server_refuse() for a request that is not to go on. May be
    /// NULL.
    void (*begin)(struct http_server_request *request);
    /// Takes a piece of the body. NULL where it is kept whole.
    void (*take)(struct http_server_request *request, struct slice piece);
    /// Answers, with one of http_server_answer*(), and returns what that returned.
    bool (*finish)(struct http_server_request *request);
    /// Called at the end, however it came, for every request that has the route. May be NULL.
    void (*release)(void *state);
};

struct http_server_options {
    /// Ended by a zeroed one.
    const struct http_route *routes;
    void *context;
    /// So many connections are comfortable, 32 where it is 0: a further one makes an idle one go.
    /// Where none is idle, twice as many are taken at most.
    unsigned connections;
    /// For a peer that says nothing, between requests or within one: seconds, 60 where it is 0. It
    /// stands still while a callback of a route runs.
    unsigned silence_s;
};

/// Listens on a free port. NULL on failure (code "system").
struct http_server *http_server_start(const struct http_server_options *options, struct error *err);
/// Closes all connections and joins all threads: whatever routes wait for must have been canceled.
/// NULL is fine.
void http_server_stop(struct http_server *server);
uint16_t http_server_port(const struct http_server *server);

// --- Requests ----------------------------------------------------------------------------------

/// A request header's value; empty where there is none.
struct slice http_server_header(const struct http_server_request *request, const char *name);
/// Who sends it has shown that it may: the connection is not closed to make room while it is
/// served.
void http_server_trust(struct http_server_request *request);
/// From `begin` or `take`: the request is not to go on. `message` must stay.
void http_server_refuse(struct http_server_request *request, unsigned status, const char *message);

// --- Answers -----------------------------------------------------------------------------------

/// Adds a header to the answer to come (copied); nothing that is not http_header_is_valid().
void http_server_add_header(struct http_server_request *request, struct slice name,
                            struct slice value);
/// Adds the headers of an answer that is passed on, given as its header lines: those that are
/// http_header_is_passed_on(), but for names that were added before.
void http_server_pass_headers(struct http_server_request *request, struct slice head);

/// Answers with what is in `body` (NULL: nothing), and empties it; it is wiped once it is sent.
/// False where there is no answer, as for all of these: the route's `finish` hands that on, and the
/// connection is closed.
bool http_server_answer(struct http_server_request *request, unsigned status, struct buffer *body);
/// The same, for JSON that nobody may store.
bool http_server_answer_json(struct http_server_request *request, unsigned status,
                             struct buffer *body);
/// Answers {"message": ...}.
bool http_server_answer_message(struct http_server_request *request, unsigned status,
                                const char *message);
/// Answers with a body of `length` bytes (-1: not known) that `read` gives piece by piece: it puts
/// at most `size` bytes to `data` and returns how many; 0 is the end, less than 0 closes the
/// connection, so that the peer sees that something is missing.
bool http_server_answer_stream(struct http_server_request *request, unsigned status, int64_t length,
                               ssize_t (*read)(struct http_server_request *request, char *data,
                                               size_t size));
