// SPDX-License-Identifier: Apache-2.0
/// The content of a file entry, read only as long as the file is what it was when it was found.
#pragma once

#include "layer-packer/tree.h"

/// Opens it for source_read(); close the result with source_close(). -1 on failure.
int source_open(const struct entry *entry, struct error *err);
void source_close(const struct entry *entry, int fd);
/// Reads exactly `size` bytes at `offset`; fails if the file ends before.
bool source_read(const struct entry *entry, int fd, uint64_t offset, void *into, size_t size,
                 struct error *err);
/// Fails if the file was written to since it was found.
bool source_is_unchanged(const struct entry *entry, int fd, struct error *err);
