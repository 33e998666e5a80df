// SPDX-License-Identifier: Apache-2.0
/// Reading zips with libzip, from files that may be hostile: what layer-packer and the provider
/// mirror know of a zip they know from here.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <zip.h>

#include "common/error.h"
#include "common/slice.h"

/// An open zip. Zeroed is none.
struct reader {
    zip_t *zip;
    /// The number of entries.
    uint64_t count;
    /// Of libzip's content, a piece at a time.
    char *piece;
};
#define cleanup_reader __attribute__((cleanup(reader_clean_up)))

/// What an entry is said to be.
struct reader_entry {
    uint64_t index;
    /// As it stands in the zip, without a NUL in it; a folder's ends in a slash. Borrowed from the
    /// reader.
    const char *name;
    /// Unix' type and permissions. Where the zip states none: the type that the name has, and no
    /// permissions.
    mode_t mode;
    uint64_t size;
    uint64_t packed_size;
};

/// Opens the zip in the open file `fd`, which stays the caller's. All of its directory is read,
/// into memory, and none of its content. Refuses (code "zip") what libzip finds inconsistent (a
/// name twice, too) and what directory_check() refuses.
bool reader_open(struct reader *reader, int fd, struct error *err);
void reader_clean_up(struct reader *reader);

/// Looks at the entry `index`. Refuses (code "zip") one that is encrypted or not stored or
/// deflated, whose type is not what its name says, and a folder with a content. Whether its name
/// may be a path is entry_name_flaw()'s business.
bool reader_look(const struct reader *reader, uint64_t index, struct reader_entry *entry,
                 struct error *err);

/// Refuses the entry (code "zip") for its flaw. Of its name, which may have 64 KiB, the first 200
/// bytes are shown: the flaw is always told.
bool reader_refuse(const struct reader_entry *entry, const char *flaw, struct error *err);

/// Takes a piece of an entry's content; a false ends the reading, with `err` as it was set.
typedef bool reader_sink(void *context, struct slice piece, struct error *err);
/// Reads the whole content in constant memory, and hands it on piece by piece, never more than
/// `entry->size` bytes of it. Refuses (code "zip") what does not have that size or its CRC, but
/// only at the end. `sink` may be NULL.
bool reader_read(const struct reader *reader, const struct reader_entry *entry, reader_sink *sink,
                 void *context, struct error *err);
