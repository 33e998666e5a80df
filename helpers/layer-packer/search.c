// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/search.h"

#include <string.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/zip/entry_name.h"
#include "layer-packer/links.h"

/// Looks into a folder of the tree.
static struct object look_in_tree(struct search *search, struct slice folder, const char *name) {
    cleanup_buffer struct buffer path = BUFFER_INIT(2 * (size_t)ENTRY_NAME_MAX);
    search->steps++;
    if (links_follow(search->contents->tree, folder, &path) != LINKS_ARRIVED) {
        return (struct object){.source = FROM_NOWHERE};
    }
    const size_t length = path.len;
    if (length > 0) {
        (void)buffer_append_byte(&path, '/');
    }
    const struct entry *file = buffer_append_text(&path, name)
                                   ? contents_find_elf(search->contents, buffer_slice(&path))
                                   : NULL;
    // The loader goes on where a file is for another machine.
    if (!file || contents_of(search->contents, file)->elf.arch != search->arch) {
        return (struct object){.source = FROM_NOWHERE};
    }
    return (struct object){.source = FROM_TREE,
                           .entry = file,
                           .folder = slice_copy(slice_make(buffer_text(&path), length))};
}

static struct object look_in_image(const struct search *search, const char *name) {
    const bool found = !search->is_musl && provided_has_library(search->arch, name);
    return (struct object){.source = found ? FROM_IMAGE : FROM_NOWHERE};
}

static bool is_image_folder(struct slice path) {
    static const char *const folders[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (slice_equal_text(path, folders[i])) {
            return true;
        }
    }
    return false;
}

static struct object look_in(struct search *search, struct slice folder, const char *name) {
    if (is_image_folder(folder)) {
        return look_in_image(search, name);
    }
    return links_below_root(&folder) ? look_in_tree(search, folder, name)
                                     : (struct object){.source = FROM_NOWHERE};
}

/// What stands at the beginning of `rest` in place of a path's part; empty: nothing does.
static struct slice take_token(struct slice *rest, const char *origin) {
    const struct {
        struct slice token;
        const char *value;
    } tokens[] = {
        {SLICE("$ORIGIN"), origin},
        {SLICE("${ORIGIN}"), origin},
        {SLICE("$LIB"), "lib64"},
        {SLICE("${LIB}"), "lib64"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        if (slice_starts_with(*rest, tokens[i].token)) {
            *rest = slice_skip(*rest, tokens[i].token.len);
            return slice_text(tokens[i].value);
        }
    }
    return SLICE("");
}

static bool expand(struct slice folder, const char *origin, struct buffer *path) {
    bool fits = true;
    while (fits && folder.len > 0) {
        const struct slice value = take_token(&folder, origin);
        if (value.len > 0) {
            fits = buffer_append(path, value);
        } else {
            fits = buffer_append_byte(path, folder.data[0]);
            folder = slice_skip(folder, 1);
        }
    }
    return fits;
}

/// Looks into the folders of a DT_RPATH or DT_RUNPATH of `owner`; NULL: it has none.
static struct object look_along(struct search *search, const struct object *owner,
                                const char *folders, const char *name) {
    cleanup_free char *origin = xasprintf("/opt/%s", owner->folder);
    struct object found = {.source = FROM_NOWHERE};
    struct slice rest = slice_text(folders ? folders : "");
    struct slice folder;
    while (found.source == FROM_NOWHERE && slice_split(&rest, ':', &folder)) {
        cleanup_buffer struct buffer path = BUFFER_INIT(2 * (size_t)ENTRY_NAME_MAX);
        if (expand(folder, origin, &path)) {
            found = look_in(search, buffer_slice(&path), name);
        }
    }
    return found;
}

/// DT_RPATH of who needs it, and of those that brought that in, as far as they have no DT_RUNPATH;
/// one's own DT_RUNPATH turns all of them off.
static struct object look_in_rpaths(struct search *search, const struct object *object,
                                    const char *name) {
    struct object found = {.source = FROM_NOWHERE};
    if (contents_dynamic(search->contents, object->entry)->runpath) {
        return found;
    }
    for (; object && found.source == FROM_NOWHERE; object = object->needed_by) {
        const struct elf_dynamic *dynamic = contents_dynamic(search->contents, object->entry);
        found = look_along(search, object, dynamic->runpath ? NULL : dynamic->rpath, name);
    }
    return found;
}

/// Only a function's zip has its root in LD_LIBRARY_PATH.
static struct object look_in_root(struct search *search, const char *name) {
    const struct object found = look_in_tree(search, SLICE(""), name);
    if (found.source == FROM_TREE && !search->has_warned &&
        !tree_find(search->contents->tree, SLICE("bootstrap"))) {
        search->has_warned = true;
        warnings_add(search->warnings,
                     "%s: lies at the zip's root, where the loader looks for libraries in a "
                     "function's zip, but not in a layer's: for a layer, move it to lib/",
                     name);
    }
    return found;
}

static struct object look_in_library_path(struct search *search, const char *name) {
    struct object found = look_in_image(search, name);
    if (found.source == FROM_NOWHERE) {
        found = look_in_root(search, name);
    }
    return found.source == FROM_NOWHERE ? look_in_tree(search, SLICE("lib"), name) : found;
}

struct object search_path(struct search *search, const char *path) {
    const char *name = tree_base_name(path);
    // One from the current folder is none in Lambda.
    return path[0] == '/' ? look_in(search, slice_make(path, (size_t)(name - path)), name)
                          : (struct object){.source = FROM_NOWHERE};
}

static bool is_own_library_of_musl(const char *name) {
    return strcmp(name, "libc.so") == 0 || slice_starts_with(slice_text(name), SLICE("libc.musl-"));
}

struct object search_library(struct search *search, const struct object *object, const char *name) {
    if (provided_more_has(search->more, slice_text(name)) ||
        (search->is_musl && is_own_library_of_musl(name))) {
        return (struct object){.source = FROM_ELSEWHERE};
    }
    // A name with a slash is a path.
    if (strchr(name, '/')) {
        return search_path(search, name);
    }
    struct object found = look_in_rpaths(search, object, name);
    if (found.source == FROM_NOWHERE) {
        found = look_in_library_path(search, name);
    }
    const char *runpath = contents_dynamic(search->contents, object->entry)->runpath;
    return found.source == FROM_NOWHERE ? look_along(search, object, runpath, name) : found;
}
