// SPDX-License-Identifier: Apache-2.0
/// What a tree of files is to look like, to the last byte: made while it is unpacked, kept in
/// memory, and held against the tree before it is used again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/system/digest.h"

/// Files and folders together; 4096 of them take less than 3 MiB.
enum { MIRROR_MAX_ENTRIES = 4096 };
enum { MIRROR_MAX_PATH = 512 };

struct mirror_entry {
    /// Relative to the tree's root.
    char *path;
    bool is_folder;
    /// The permission bits, all twelve.
    mode_t mode;
    /// Of files.
    int64_t size;
    unsigned char digest[DIGEST_SIZE];
};

/// Zeroed is empty.
struct mirror_manifest {
    struct mirror_entry *entries;
    size_t count;
    bool sorted;
};
#define cleanup_mirror_manifest __attribute__((cleanup(mirror_manifest_clean_up)))
void mirror_manifest_clean_up(struct mirror_manifest *manifest);

/// Adds an entry, whose path is copied. Fails ("too_many") beyond MIRROR_MAX_ENTRIES.
bool mirror_manifest_add(struct mirror_manifest *manifest, const struct mirror_entry *entry,
                         struct error *err);

/// Checks that the folder behind the descriptor `root` holds exactly what the manifest says:
/// nothing is missing, nothing is there beside it, each entry has its type, its mode and one name
/// only (no hard links), each file its size and content, and nothing takes more room than that.
/// What else an owner may hang on them (ACLs, extended attributes, flags, times) is taken away.
/// Follows no link and waits for no FIFO. Fails with the code "changed" and a message that names
/// the first difference; with "timeout" once `deadline_ms` (Unix epoch; 0: none) is over. To be
/// called when nobody can write there.
bool mirror_manifest_verify(struct mirror_manifest *manifest, int root, int64_t deadline_ms,
                            struct error *err);
/// The same, but for the content of files: takes a few milliseconds whatever is there.
bool mirror_manifest_fits(struct mirror_manifest *manifest, int root, struct error *err);
