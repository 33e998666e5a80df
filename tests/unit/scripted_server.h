// SPDX-License-Identifier: Apache-2.0
/// A server for tests that answers with given bytes: one entry of a script for each request.
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"

enum { MAX_REQUESTS = 16 };

struct scripted {
    /// Sent as it is; NULL: nothing.
    const char *answer;
    /// So many bytes 'x' follow.
    size_t filler;
    /// Answers when so much of the request's body is in; 0: all of it.
    long body_first;
    /// Closes the connection after the answer.
    bool close;
    /// Before the answer; ends where the client has hung up.
    int delay_ms;
};

static struct {
    char url[64];
    int port;
    int listener;
    const struct scripted *script;
    size_t length;
    SSL_CTX *tls;
    pthread_t thread;
    struct buffer requests[MAX_REQUESTS];
    size_t body_sizes[MAX_REQUESTS];
    size_t connections;
} server;

struct peer {
    int fd;
    SSL *tls;
};

static ssize_t peer_read(const struct peer *peer, char *data, size_t size) {
    return peer->tls ? SSL_read(peer->tls, data, (int)size) : read(peer->fd, data, size);
}

static bool peer_write(const struct peer *peer, const char *data, size_t size) {
    while (size > 0) {
        const ssize_t count = peer->tls ? SSL_write(peer->tls, data, (int)size)
                                        : send(peer->fd, data, size, MSG_NOSIGNAL);
        if (count <= 0) {
            return false;
        }
        data += count;
        size -= (size_t)count;
    }
    return true;
}

/// How long the body is: Content-Length, or -1 for chunks.
static long announced(const char *head) {
    const char *length = strcasestr(head, "content-length: ");
    if (strcasestr(head, "transfer-encoding: chunked") != NULL) {
        return -1;
    }
    return length != NULL ? strtol(length + 16, NULL, 10) : 0;
}

/// Reads one request; keeps its first 64 KiB and the size of its body. False at the end.
static bool read_request(const struct peer *peer, struct buffer *kept, size_t *body_size,
                         long body_first) {
    char chunk[65536];
    size_t head = 0;
    size_t total = 0;
    long length = 0;
    char tail[6] = "";
    for (;;) {
        if (head > 0) {
            *body_size = total - head;
            const bool complete =
                length < 0 ? strcmp(tail, "0\r\n\r\n") == 0 : *body_size >= (size_t)length;
            if (complete || (body_first > 0 && *body_size >= (size_t)body_first)) {
                return true;
            }
        }
        // Byte by byte in the head, as what follows it may be another request.
        const ssize_t count = peer_read(peer, chunk, head > 0 ? sizeof(chunk) : 1);
        if (count <= 0) {
            return false;
        }
        total += (size_t)count;
        if (kept->len < 65536) {
            buffer_append(kept, slice_make(chunk, (size_t)count));
        }
        if (head == 0 && slice_ends_with(buffer_slice(kept), SLICE("\r\n\r\n"))) {
            head = total;
            length = announced(buffer_text(kept));
        }
        for (ssize_t i = count > 5 ? count - 5 : 0; i < count; i++) {
            memmove(tail, tail + 1, 4);
            tail[4] = chunk[i];
        }
    }
}

static bool play(const struct peer *peer, const struct scripted *step) {
    static char filler[65536];
    memset(filler, 'x', sizeof(filler));
    if (step->delay_ms > 0) {
        struct pollfd hung_up = {.fd = peer->fd, .events = POLLRDHUP};
        (void)poll(&hung_up, 1, step->delay_ms);
    }
    if (step->answer != NULL && !peer_write(peer, step->answer, strlen(step->answer))) {
        return false;
    }
    for (size_t left = step->filler; left > 0;) {
        const size_t size = left < sizeof(filler) ? left : sizeof(filler);
        if (!peer_write(peer, filler, size)) {
            return false;
        }
        left -= size;
    }
    return !step->close;
}

static void *serve(void *unused) {
    (void)unused;
    size_t step = 0;
    while (step < server.length) {
        struct peer peer = {.fd = accept(server.listener, NULL, NULL)};
        if (peer.fd < 0) {
            break;
        }
        server.connections++;
        if (server.tls != NULL) {
            peer.tls = SSL_new(server.tls);
            SSL_set_fd(peer.tls, peer.fd);
        }
        if (peer.tls == NULL || SSL_accept(peer.tls) == 1) {
            while (step < server.length &&
                   read_request(&peer, &server.requests[step], &server.body_sizes[step],
                                server.script[step].body_first)) {
                const bool more = play(&peer, &server.script[step]);
                step++;
                if (!more) {
                    break;
                }
            }
        }
        SSL_free(peer.tls);
        close(peer.fd);
    }
    return NULL;
}

static void start_server(const struct scripted *script, size_t length, SSL_CTX *tls) {
    memset(&server, 0, sizeof(server));
    server.script = script;
    server.length = length;
    server.tls = tls;
    for (size_t i = 0; i < MAX_REQUESTS; i++) {
        buffer_init(&server.requests[i], 1 << 20);
    }
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(server.listener, 8), 0);
    ck_assert_int_eq(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    server.port = ntohs(address.sin_port);
    snprintf(server.url, sizeof(server.url), "%s://127.0.0.1:%d/path?secret=1",
             tls ? "https" : "http", server.port);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}
/// Starts it with an array of steps.
#define START(script) start_server(script, sizeof(script) / sizeof((script)[0]), NULL)

static void stop_server(void) {
    // Wakes accept.
    (void)shutdown(server.listener, SHUT_RDWR);
    ck_assert_int_eq(pthread_join(server.thread, NULL), 0);
    close(server.listener);
    for (size_t i = 0; i < MAX_REQUESTS; i++) {
        buffer_clean_up(&server.requests[i]);
    }
}
