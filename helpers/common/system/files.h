// SPDX-License-Identifier: Apache-2.0
/// Files: removing what others left, and writing so that nobody sees half of it.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/error.h"

/// Removes everything in the folder `path` but the entry called `keep` (NULL: everything), whatever
/// it is: read-only trees, odd names, links, sockets, FIFOs, trees deeper than PATH_MAX. Never
/// follows a link, never leaves the folder's file system. Uses a fixed number of descriptors and no
/// recursion: what lies deeper is moved up and removed there.
/// Gives up after `limit_ms` milliseconds (0: never), as somebody may go on writing. On false some
/// of it may be left; the message names an entry.
bool files_empty_directory(const char *path, const char *keep, int64_t limit_ms, struct error *err);
/// Removes the file, link or folder `path` with all that is in it, in the same way; one that is not
/// there is no failure.
bool files_remove_tree(const char *path, int64_t limit_ms, struct error *err);

/// Makes the folder and its missing parents with `mode` (less the umask). One that is already there
/// is no failure.
bool files_make_directories(const char *path, mode_t mode, struct error *err);

/// Appends the whole file to `out`. Fails with the code "too_large" if it does not fit, with
/// "not_found" if there is none, or its folder is no folder.
bool files_read(const char *path, struct buffer *out, struct error *err);
/// The same without ever waiting for somebody who writes. What is no regular file (a folder, a
/// FIFO, a socket, a device, links in a circle) fails with "not_found", too.
bool files_read_regular(const char *path, struct buffer *out, struct error *err);
/// The same for what may be a pipe, as of a shell's <(command): fails with "timeout" where it is
/// not at its end within `limit_ms`.
bool files_read_within(const char *path, int limit_ms, struct buffer *out, struct error *err);
/// Appends all that the descriptor gives until its end.
bool files_read_fd(int fd, const char *name, struct buffer *out, struct error *err);
/// Writes all of `content` to the descriptor, called `name` in messages.
bool files_write_fd(int fd, const char *name, struct slice content, struct error *err);

/// Replaces `path` by a file with `content` and `mode`: a temporary file in the same folder,
/// synced, renamed, the folder synced. On false the old file is as it was.
bool files_write_atomically(const char *path, struct slice content, mode_t mode, struct error *err);
/// Gives the finished file `from` the name `to` in the same folder: syncs it, renames it, syncs the
/// folder. An existing `to` is replaced.
bool files_rename_durably(const char *from, const char *to, struct error *err);

enum { FILES_RANDOM_NAME_SIZE = 33 };
/// 32 random hexadecimal digits and a NUL.
void files_random_name(char name[FILES_RANDOM_NAME_SIZE]);
