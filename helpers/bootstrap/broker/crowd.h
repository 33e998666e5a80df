// SPDX-License-Identifier: Apache-2.0
/// Who is connected, and who has to go when it gets crowded.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct broker_crowd;
/// A connection, as long as it is open.
struct broker_guest;

struct broker_crowd *broker_crowd_new(void) __attribute__((returns_nonnull));
/// All guests must have left.
void broker_crowd_destroy(struct broker_crowd *crowd);

/// A new connection; shuts another one down if there are too many. NULL where `fd` cannot be kept.
struct broker_guest *broker_crowd_enter(struct broker_crowd *crowd, int fd, int64_t now_ms);
/// The connection is closed; NULL is fine.
void broker_crowd_leave(struct broker_crowd *crowd, struct broker_guest *guest);

/// The connection is serving a request with a good token: it stays.
void broker_guest_serve(struct broker_crowd *crowd, struct broker_guest *guest);
/// The request is over.
void broker_guest_rest(struct broker_crowd *crowd, struct broker_guest *guest, int64_t now_ms);
