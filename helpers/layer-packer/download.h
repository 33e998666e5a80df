// SPDX-License-Identifier: Apache-2.0
/// One file from the network, with patience for servers that stumble.
#pragma once

#include <stdbool.h>

#include "common/error.h"

/// Downloads `url` to the file `fd`, going on after the bytes that it has. https, or http from
/// loopback (then without redirects, which could lead elsewhere). A 5xx, 408, 425, 429, a cut or a
/// stalled connection is tried again with Range, until 30 s pass without a new byte. What was had
/// is left in the file, also on failure. Shows its progress at a terminal.
bool download(const char *url, int fd, struct error *err);

/// Puts the URL, without what may be secret in it, in front of the message. Returns false.
bool download_prefix(const char *url, struct error *err);
