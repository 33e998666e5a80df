// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/links.h"

#include <string.h>

#include "common/zip/entry_name.h"

/// As many as the kernel follows (MAXSYMLINKS).
enum { MAX_LINKS = 40 };

static void step_up(struct buffer *path) {
    size_t length = path->len;
    while (length > 0 && path->data[length - 1] != '/') {
        length--;
    }
    buffer_truncate(path, length > 0 ? length - 1 : 0);
}

/// Walks `steps` on from `path`.
static enum links_result walk(const struct tree *tree, struct slice steps, struct buffer *path,
                              unsigned *links) {
    struct slice step;
    while (slice_split(&steps, '/', &step)) {
        if (step.len == 0 || slice_equal_text(step, ".")) {
            continue;
        }
        if (slice_equal_text(step, "..")) {
            if (path->len == 0) {
                return LINKS_LEFT;
            }
            step_up(path);
            continue;
        }
        const bool fits =
            (path->len == 0 || buffer_append_byte(path, '/')) && buffer_append(path, step);
        if (!fits) {
            return LINKS_LOOP; // Only targets that grow at each turn become so long.
        }
        const struct entry *entry = tree_find(tree, buffer_slice(path));
        if (!entry || entry->kind != ENTRY_LINK) {
            continue;
        }
        if (++*links > MAX_LINKS) {
            return LINKS_LOOP;
        }
        if (entry->target[0] == '/') {
            return LINKS_LEFT;
        }
        step_up(path);
        const enum links_result result = walk(tree, slice_text(entry->target), path, links);
        if (result != LINKS_ARRIVED) {
            return result;
        }
    }
    return LINKS_ARRIVED;
}

enum links_result links_follow(const struct tree *tree, struct slice name, struct buffer *path) {
    unsigned links = 0;
    buffer_reset(path);
    return walk(tree, name, path, &links);
}

const struct entry *links_find_file(const struct tree *tree, struct slice name) {
    cleanup_buffer struct buffer path = BUFFER_INIT(2 * (size_t)ENTRY_NAME_MAX);
    if (links_follow(tree, name, &path) != LINKS_ARRIVED) {
        return NULL;
    }
    const struct entry *entry = tree_find(tree, buffer_slice(&path));
    return entry && entry->kind == ENTRY_FILE ? entry : NULL;
}

static bool check(const struct tree *tree, const struct entry *link, struct error *err) {
    if (link->target[0] == '/') {
        return error_set(err, "link", "%s: the symlink is absolute: %s", link->name, link->target);
    }
    cleanup_buffer struct buffer path = BUFFER_INIT(4 * (size_t)ENTRY_NAME_MAX);
    if (links_follow(tree, slice_text(link->name), &path) == LINKS_LEFT) {
        return error_set(err, "link", "%s: the symlink's path leaves the root: %s", link->name,
                         link->target);
    }
    return true;
}

bool links_check(const struct tree *tree, struct error *err) {
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->entries[i].kind == ENTRY_LINK && !check(tree, &tree->entries[i], err)) {
            return false;
        }
    }
    return true;
}
