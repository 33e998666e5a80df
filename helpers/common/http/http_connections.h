// SPDX-License-Identifier: Apache-2.0
/// Who is connected to a server, and whom it hangs up on to make room for a new peer.
///
/// Any thread may call: there is a lock inside. Times are monotonic milliseconds.
#pragma once

#include <stdint.h>

struct http_connections;
/// A connection, from http_connections_add() to http_connections_remove().
struct http_connection;

/// With `limit` connections open a further one makes an idle one go, if there is one.
struct http_connections *http_connections_new(unsigned limit) __attribute__((returns_nonnull));
/// All connections must have been removed; NULL is fine.
void http_connections_destroy(struct http_connections *connections);

/// A new connection, idle; shuts another one down where there are too many: of those that are idle
/// one that never was busy before one that was, and among these the one that is idle the longest.
/// `fd` stays the caller's. NULL where it cannot be duplicated.
struct http_connection *http_connections_add(struct http_connections *connections, int fd,
                                             int64_t now_ms);
/// The connection is closed; NULL is fine.
void http_connections_remove(struct http_connections *connections,
                             struct http_connection *connection);

/// The connection serves a request of somebody who is trusted: it stays. NULL is fine.
void http_connections_busy(struct http_connections *connections,
                           struct http_connection *connection);
/// The request is over. NULL is fine.
void http_connections_idle(struct http_connections *connections, struct http_connection *connection,
                           int64_t now_ms);
