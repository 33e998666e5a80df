// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/inspect.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "common/zip/entry_name.h"
#include "layer-packer/links.h"
#include "layer-packer/tree.h"

/// As much of an ELF file is looked at: more is in no layer.
static const uint64_t MOST_OF_ELF = (uint64_t)250 * 1024 * 1024;

struct inspector {
    const struct reader *reader;
    const struct inspect_options *options;
    struct tree tree;
    struct inspection *result;
    struct warnings *warnings;
};

static bool count_size(struct inspector *inspector, const struct reader_entry *entry,
                       struct error *err) {
    const uint64_t max = inspector->options->max_unzipped;
    if (entry->size > max - inspector->result->unzipped_size) {
        return error_set(err, "too_large", "%s: more than %" PRIu64 " bytes unzipped", entry->name,
                         max);
    }
    inspector->result->unzipped_size += entry->size;
    return true;
}

static bool append_target(void *context, struct slice piece, struct error *err) {
    struct buffer *target = context;
    return buffer_append(target, piece) || buffer_check(target, "the symlink's target", err);
}

static bool add_link(struct inspector *inspector, const struct reader_entry *entry,
                     struct error *err) {
    if (entry->size > ENTRY_NAME_MAX) {
        return error_set(err, "link", "%s: the symlink is too long", entry->name);
    }
    cleanup_buffer struct buffer target = BUFFER_INIT(ENTRY_NAME_MAX + 1);
    return reader_read(inspector->reader, entry, append_target, &target, err) &&
           tree_add_link(&inspector->tree, slice_text(entry->name), entry->name,
                         buffer_slice(&target), err);
}

/// The x bit of anybody: which of them counts depends on whose the file is in Lambda.
static bool add_file(struct inspector *inspector, const struct reader_entry *entry,
                     struct error *err) {
    // What it was found in is the zip: its place there is its number.
    const struct stat found = {.st_size = (off_t)entry->size, .st_ino = entry->index};
    const mode_t x_bits = S_IXUSR | S_IXGRP | S_IXOTH;
    const mode_t bits = entry->mode & 07777;
    if (bits != 0 && (bits & (S_IROTH | S_IXOTH)) == 0) {
        warnings_add(
            inspector->warnings,
            "%s: has mode %04o: in Lambda another user than its owner reads it, so that it "
            "should be 0644, or 0755 for a program",
            entry->name, (unsigned)bits);
    }
    return tree_add_file(&inspector->tree, slice_text(entry->name), entry->name, -1, &found,
                         bits == 0711 || (bits & x_bits) == 0 ? bits : 0755, err);
}

static bool add_entry(struct inspector *inspector, uint64_t index, struct error *err) {
    struct reader_entry entry;
    if (!reader_look(inspector->reader, index, &entry, err) ||
        !count_size(inspector, &entry, err)) {
        return false;
    }
    const struct slice name = slice_text(entry.name);
    switch (entry.mode & S_IFMT) {
    case S_IFDIR:
        return tree_add_folder(&inspector->tree, slice_make(name.data, name.len - 1), entry.name,
                               err);
    case S_IFLNK:
        return add_link(inspector, &entry, err);
    case S_IFREG:
        return add_file(inspector, &entry, err);
    default:
        return error_set(err, "kind", "%s: is a device file or the like", entry.name);
    }
}

// --- Content -------------------------------------------------------------------------------------

/// Where the beginning of a file's content goes, or all of an ELF file's.
struct copy {
    int fd;
    uint64_t length;
    bool is_elf;
};

static bool copy_piece(void *context, struct slice piece, struct error *err) {
    struct copy *copy = context;
    if (copy->length == 0) {
        copy->is_elf = slice_starts_with(piece, slice_make(ELFMAG, SELFMAG));
    } else if (!copy->is_elf || copy->length + piece.len > MOST_OF_ELF) {
        return true;
    }
    copy->length += piece.len;
    return files_write_fd(copy->fd, "memory", piece, err);
}

/// Reads all of the file's content, and opens what programs_check() looks at.
static int open_entry(void *context, const struct entry *file, struct error *err) {
    const struct inspector *inspector = context;
    const struct reader *reader = inspector->reader;
    struct reader_entry entry;
    cleanup_close int fd = memfd_create("entry", MFD_CLOEXEC);
    struct copy copy = {.fd = fd};
    if (fd < 0) {
        error_errno(err, errno, "%s: no memory for its content", file->name);
        return -1;
    }
    return reader_look(reader, file->found.st_ino, &entry, err) &&
                   reader_read(reader, &entry, copy_piece, &copy, err)
               ? steal_fd(&fd)
               : -1;
}

static void close_entry(void *context, const struct entry *file, int fd) {
    (void)context;
    (void)file;
    cleanup_closep(&fd);
}

static bool inspect_contents(struct inspector *inspector, struct error *err) {
    const struct contents_access access = {
        .open = open_entry, .close = close_entry, .context = inspector};
    return programs_check(&inspector->tree, &access, &inspector->options->programs,
                          inspector->warnings, err);
}

static bool inspect(struct inspector *inspector, struct error *err) {
    for (uint64_t i = 0; i < inspector->reader->count; i++) {
        if (!add_entry(inspector, i, err)) {
            return false;
        }
    }
    inspector->result->entries = inspector->reader->count;
    return tree_finish(&inspector->tree, err) &&
           links_check(&inspector->tree, inspector->warnings, err) &&
           (inspector->options->structure_only || inspect_contents(inspector, err));
}

bool inspect_zip(const struct reader *reader, const struct inspect_options *options,
                 struct inspection *inspection, struct warnings *warnings, struct error *err) {
    *inspection = (struct inspection){0};
    struct inspector inspector = {
        .reader = reader, .options = options, .result = inspection, .warnings = warnings};
    const bool good = inspect(&inspector, err);
    tree_clean_up(&inspector.tree);
    return good;
}
