// SPDX-License-Identifier: Apache-2.0
/// What a recipe names, put into a tree.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/cache.h"
#include "layer-packer/member.h"
#include "layer-packer/recipe.h"

/// Takes the file `member` out of the zip; -1 on failure.
static int take_member(const struct cache *cache, int zip, const struct recipe_file *file,
                       uint64_t max_size, mode_t *mode, struct error *err) {
    cleanup_close int out = cache_temporary(cache, err);
    return out >= 0 && member_extract(zip, file->member, out, max_size, mode, err) ? steal_fd(&out)
                                                                                   : -1;
}

static bool add_download(const struct cache *cache, const struct recipe_file *file,
                         struct tree *tree, uint64_t max_size, struct error *err) {
    cleanup_close int fd = cache_get(cache, file->url, file->sha256, NULL, err);
    mode_t mode = 0644;
    if (fd >= 0 && file->member) {
        cleanup_close int zip = steal_fd(&fd);
        fd = take_member(cache, zip, file, max_size, &mode, err);
    }
    struct stat found;
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &found) != 0) {
        return error_errno(err, errno, "%s", file->url);
    }
    if (file->has_mode) {
        mode = file->mode;
    }
    return tree_add_file(tree, slice_text(file->path), file->url, steal_fd(&fd), &found, mode, err);
}

static bool add(const struct cache *cache, const struct recipe_file *file, struct tree *tree,
                const struct collect_output *output, uint64_t max_size, struct error *err) {
    const struct slice path = slice_text(file->path);
    if (file->url) {
        return tree_check_name(path, file->path, err) &&
               add_download(cache, file, tree, max_size, err);
    }
    if (file->link) {
        return tree_add_link(tree, path, file->path, slice_text(file->link), err);
    }
    // "." is the root: a whole tree as a SOURCE would be.
    return collect_path(tree, slice_equal_text(path, ".") ? SLICE("") : path, file->source, output,
                        file->has_mode ? &file->mode : NULL, err);
}

static bool has_downloads(const struct recipe *recipe) {
    for (size_t i = 0; i < recipe->count; i++) {
        if (recipe->files[i].url) {
            return true;
        }
    }
    return false;
}

bool recipe_collect(const struct recipe *recipe, struct tree *tree,
                    const struct collect_output *output, uint64_t max_size, struct error *err) {
    cleanup_cache struct cache cache = {0};
    if (has_downloads(recipe) && !cache_open(&cache, err)) {
        return false;
    }
    for (size_t i = 0; i < recipe->count; i++) {
        const struct recipe_file *file = &recipe->files[i];
        if (!add(&cache, file, tree, output, max_size, err)) {
            return error_prefix(err, "%s", file->path);
        }
    }
    return true;
}

bool recipe_fetch(const struct recipe *recipe, size_t *downloads, struct error *err) {
    cleanup_cache struct cache cache = {0};
    if (has_downloads(recipe) && !cache_open(&cache, err)) {
        return false;
    }
    for (size_t i = 0; i < recipe->count; i++) {
        const struct recipe_file *file = &recipe->files[i];
        bool downloaded = false;
        if (!file->url) {
            continue;
        }
        cleanup_close int fd = cache_get(&cache, file->url, file->sha256, &downloaded, err);
        if (fd < 0) {
            return error_prefix(err, "%s", file->path);
        }
        *downloads += downloaded ? 1 : 0;
    }
    return true;
}
