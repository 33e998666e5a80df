// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "layer-packer/links.h"
#include "layer-packer/script.h"
#include "layer-packer/source.h"

/// A zip of a few megabytes may hold more names of libraries than any machine has memory for.
static const size_t MOST_TEXT = (size_t)256 * 1024 * 1024;

static int open_source(void *context, const struct entry *entry, struct error *err) {
    (void)context;
    return source_open(entry, err);
}

static void close_source(void *context, const struct entry *entry, int fd) {
    (void)context;
    source_close(entry, fd);
}

const struct contents_access contents_on_disk = {.open = open_source, .close = close_source};

static void read_head(int fd, struct content *content) {
    char head[SCRIPT_HEAD];
    ssize_t count = 0;
    do {
        count = pread(fd, head, sizeof(head), 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0 && script_is(slice_make(head, (size_t)count))) {
        content->head = slice_copy(slice_make(head, (size_t)count));
        content->head_length = (size_t)count;
    }
}

static bool read_file(struct contents *contents, const struct entry *entry,
                      const struct contents_access *access, struct error *err) {
    const int fd = access->open(access->context, entry, err);
    if (fd < 0) {
        return false;
    }
    struct content *content = &contents->items[entry - contents->tree->entries];
    elf_read(fd, &content->elf);
    if (!content->elf.is_elf) {
        read_head(fd, content);
    }
    access->close(access->context, entry, fd);
    contents->text_size += content->elf.dynamic.text_size + content->head_length;
    return contents->text_size <= MOST_TEXT ||
           error_set(err, "too_large",
                     "%s: the names of libraries and of versions in this and the files before it "
                     "are more than %zu MB: no such layer is a good one",
                     entry->name, MOST_TEXT / (1024 * 1024));
}

bool contents_read(struct contents *contents, const struct tree *tree,
                   const struct contents_access *access, struct error *err) {
    *contents = (struct contents){.tree = tree,
                                  .items = xcalloc(tree->count + 1, sizeof(*contents->items))};
    for (size_t i = 0; i < tree->count; i++) {
        const struct entry *entry = &tree->entries[i];
        if (entry->kind == ENTRY_FILE && !read_file(contents, entry, access, err)) {
            return false;
        }
    }
    return true;
}

void contents_clean_up(struct contents *contents) {
    for (size_t i = 0; contents->items && i < contents->tree->count; i++) {
        elf_clean_up(&contents->items[i].elf);
        free(contents->items[i].head);
    }
    free(contents->items);
    *contents = (struct contents){0};
}

const struct content *contents_of(const struct contents *contents, const struct entry *entry) {
    return &contents->items[entry - contents->tree->entries];
}

struct slice contents_head(const struct contents *contents, const struct entry *entry) {
    const struct content *content = contents_of(contents, entry);
    return slice_make(content->head, content->head_length);
}

const struct elf_dynamic *contents_dynamic(const struct contents *contents,
                                           const struct entry *entry) {
    return &contents_of(contents, entry)->elf.dynamic;
}

const struct entry *contents_find_elf(const struct contents *contents, struct slice path) {
    const struct entry *file = links_find_file(contents->tree, path);
    return file && contents_of(contents, file)->elf.is_elf ? file : NULL;
}
