// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/broker/crowd.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"

/// A runner needs two or three, its helper processes one each, and so does each of the programs
/// that a job lets ask for its session at the same time.
enum { COMFORTABLE = 32 };

struct broker_guest {
    struct broker_guest *next;
    /// A descriptor of our own for the connection: the server may have closed its own already, and
    /// the number may be somebody else's.
    int fd;
    bool serving;
    /// It has been of use before.
    bool trusted;
    bool shut;
    /// When it came, or when its last request was over.
    int64_t since_ms;
};

struct broker_crowd {
    pthread_mutex_t lock;
    struct broker_guest *guests;
};

struct broker_crowd *broker_crowd_new(void) {
    struct broker_crowd *crowd = xcalloc(1, sizeof(*crowd));
    pthread_mutex_init(&crowd->lock, NULL);
    return crowd;
}

void broker_crowd_destroy(struct broker_crowd *crowd) {
    if (crowd) {
        pthread_mutex_destroy(&crowd->lock);
        free(crowd);
    }
}

/// Strangers go before those who have been of use, among them the one that waits the longest.
static bool goes_before(const struct broker_guest *a, const struct broker_guest *b) {
    if (a->trusted != b->trusted) {
        return !a->trusted;
    }
    return a->since_ms < b->since_ms;
}

/// Shuts down whoever has to go first; the server then closes the connection.
static void make_room(struct broker_crowd *crowd) {
    struct broker_guest *first = NULL;
    unsigned open = 0;
    // The list begins with the newest: of two that came at the same time the older one goes.
    for (struct broker_guest *guest = crowd->guests; guest; guest = guest->next) {
        open += !guest->shut;
        if (!guest->serving && !guest->shut && (!first || !goes_before(first, guest))) {
            first = guest;
        }
    }
    if (first && open >= COMFORTABLE) {
        first->shut = true;
        shutdown(first->fd, SHUT_RDWR);
    }
}

struct broker_guest *broker_crowd_enter(struct broker_crowd *crowd, int fd, int64_t now_ms) {
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        return NULL;
    }
    struct broker_guest *guest = xcalloc(1, sizeof(*guest));
    guest->fd = own;
    guest->since_ms = now_ms;
    pthread_mutex_lock(&crowd->lock);
    make_room(crowd);
    guest->next = crowd->guests;
    crowd->guests = guest;
    pthread_mutex_unlock(&crowd->lock);
    return guest;
}

void broker_crowd_leave(struct broker_crowd *crowd, struct broker_guest *guest) {
    if (!guest) {
        return;
    }
    pthread_mutex_lock(&crowd->lock);
    struct broker_guest **link = &crowd->guests;
    while (*link != guest) {
        link = &(*link)->next;
    }
    *link = guest->next;
    pthread_mutex_unlock(&crowd->lock);
    close(guest->fd);
    free(guest);
}

void broker_guest_serve(struct broker_crowd *crowd, struct broker_guest *guest) {
    if (guest) {
        pthread_mutex_lock(&crowd->lock);
        guest->serving = true;
        guest->trusted = true;
        pthread_mutex_unlock(&crowd->lock);
    }
}

void broker_guest_rest(struct broker_crowd *crowd, struct broker_guest *guest, int64_t now_ms) {
    if (guest) {
        pthread_mutex_lock(&crowd->lock);
        guest->serving = false;
        guest->since_ms = now_ms;
        pthread_mutex_unlock(&crowd->lock);
    }
}
