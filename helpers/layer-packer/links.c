// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/links.h"

#include <string.h>

#include "common/array.h"
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

bool links_below_root(struct slice *path) {
    static const struct slice roots[] = {SLICE("/opt"), SLICE("/var/task")};
    for (size_t i = 0; i < ARRAY_LENGTH(roots); i++) {
        const struct slice rest = slice_skip(*path, roots[i].len);
        if (slice_starts_with(*path, roots[i]) && (rest.len == 0 || rest.data[0] == '/')) {
            *path = slice_skip(rest, 1);
            return true;
        }
    }
    return false;
}

static enum links_result walk(const struct tree *tree, struct slice steps, struct buffer *path,
                              unsigned *links);

/// Walks from the folder `path` to where a link in it leads.
static enum links_result walk_link(const struct tree *tree, struct slice target,
                                   struct buffer *path, unsigned *links) {
    if (target.data[0] == '/') {
        if (!links_below_root(&target)) {
            return LINKS_LEFT;
        }
        buffer_reset(path);
    }
    return walk(tree, target, path, links);
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
        step_up(path);
        const enum links_result result = walk_link(tree, slice_text(entry->target), path, links);
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

static bool check(const struct tree *tree, const struct entry *link, struct warnings *warnings,
                  struct error *err) {
    cleanup_buffer struct buffer path = BUFFER_INIT(4 * (size_t)ENTRY_NAME_MAX);
    struct slice target = slice_text(link->target);
    switch (links_follow(tree, slice_text(link->name), &path)) {
    case LINKS_LEFT:
        return target.data[0] == '/' && !links_below_root(&target)
                   ? error_set(err, "link",
                               "%s: the symlink is absolute: %s; name a path in the zip, or one "
                               "below /opt",
                               link->name, link->target)
                   : error_set(err, "link", "%s: the symlink's path leaves the root: %s",
                               link->name, link->target);
    case LINKS_LOOP:
        return error_set(err, "link",
                         "%s: the symlink goes in circles, or by way of more than %d others: %s",
                         link->name, MAX_LINKS, link->target);
    case LINKS_ARRIVED:
        break;
    }
    if (!tree_find(tree, buffer_slice(&path)) && !tree_has_folder(tree, buffer_slice(&path))) {
        warnings_add(warnings,
                     "%s: the symlink leads to %s, which is not there: another layer must bring it",
                     link->name, link->target);
    }
    return true;
}

bool links_check(const struct tree *tree, struct warnings *warnings, struct error *err) {
    for (size_t i = 0; i < tree->count; i++) {
        const struct entry *entry = &tree->entries[i];
        if (entry->kind == ENTRY_LINK && !check(tree, entry, warnings, err)) {
            return false;
        }
    }
    return true;
}
