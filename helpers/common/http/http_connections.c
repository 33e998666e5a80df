// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_connections.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"

struct http_connection {
    struct http_connection *next;
    /// A descriptor of our own for the connection: the server may have closed its own already, and
    /// the number may be somebody else's.
    int fd;
    bool busy;
    bool was_busy;
    bool shut;
    /// When it came, or when its last request was over.
    int64_t since_ms;
};

struct http_connections {
    unsigned limit;
    pthread_mutex_t lock;
    /// The newest first.
    struct http_connection *list;
};

struct http_connections *http_connections_new(unsigned limit) {
    struct http_connections *connections = xcalloc(1, sizeof(*connections));
    connections->limit = limit;
    pthread_mutex_init(&connections->lock, NULL);
    return connections;
}

void http_connections_destroy(struct http_connections *connections) {
    if (connections) {
        pthread_mutex_destroy(&connections->lock);
        free(connections);
    }
}

/// Strangers go before those who have been of use, among them the one that waits the longest.
static bool goes_before(const struct http_connection *a, const struct http_connection *b) {
    if (a->was_busy != b->was_busy) {
        return !a->was_busy;
    }
    return a->since_ms < b->since_ms;
}

/// Shuts down whoever has to go first; the server then closes the connection.
static void make_room(struct http_connections *connections) {
    struct http_connection *first = NULL;
    unsigned open = 0;
    // The list begins with the newest: of two that came at the same time the older one goes.
    for (struct http_connection *each = connections->list; each; each = each->next) {
        open += !each->shut;
        if (!each->busy && !each->shut && (!first || !goes_before(first, each))) {
            first = each;
        }
    }
    if (first && open >= connections->limit) {
        first->shut = true;
        shutdown(first->fd, SHUT_RDWR);
    }
}

struct http_connection *http_connections_add(struct http_connections *connections, int fd,
                                             int64_t now_ms) {
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        return NULL;
    }
    struct http_connection *connection = xcalloc(1, sizeof(*connection));
    connection->fd = own;
    connection->since_ms = now_ms;
    pthread_mutex_lock(&connections->lock);
    make_room(connections);
    connection->next = connections->list;
    connections->list = connection;
    pthread_mutex_unlock(&connections->lock);
    return connection;
}

void http_connections_remove(struct http_connections *connections,
                             struct http_connection *connection) {
    if (!connection) {
        return;
    }
    pthread_mutex_lock(&connections->lock);
    struct http_connection **link = &connections->list;
    while (*link != connection) {
        link = &(*link)->next;
    }
    *link = connection->next;
    pthread_mutex_unlock(&connections->lock);
    close(connection->fd);
    free(connection);
}

void http_connections_busy(struct http_connections *connections,
                           struct http_connection *connection) {
    if (connection) {
        pthread_mutex_lock(&connections->lock);
        connection->busy = true;
        connection->was_busy = true;
        pthread_mutex_unlock(&connections->lock);
    }
}

void http_connections_idle(struct http_connections *connections, struct http_connection *connection,
                           int64_t now_ms) {
    if (connection) {
        pthread_mutex_lock(&connections->lock);
        connection->busy = false;
        connection->since_ms = now_ms;
        pthread_mutex_unlock(&connections->lock);
    }
}
