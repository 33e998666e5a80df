// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/collect.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/zip/entry_name.h"

struct walk {
    struct tree *tree;
    const struct collect_output *output;
};

/// The folder that `path` lies in; to be released with free().
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return xstrdup(".");
    }
    return slash == path ? xstrdup("/") : slice_copy(slice_make(path, (size_t)(slash - path)));
}

bool collect_find_output(const char *output, struct collect_output *into, struct error *err) {
    cleanup_free char *folder = folder_of(output);
    const char *name = tree_base_name(output);
    struct stat status;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return error_set(err, "output", "--output %s: does not name a file", output);
    }
    if (stat(folder, &status) != 0) {
        return error_errno(err, errno, "--output %s", output);
    }
    *into = (struct collect_output){.device = status.st_dev, .folder = status.st_ino, .name = name};
    if (stat(output, &status) == 0 && !S_ISREG(status.st_mode)) {
        return error_set(err, "output",
                         "--output %s: must not name a folder or a device: remove what is there, "
                         "or take another name",
                         output);
    }
    return true;
}

static const char *kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFBLK:
    case S_IFCHR:
        return "a device file";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    default:
        return "neither a file, a folder nor a symlink";
    }
}

static bool add_link(struct walk *walk, struct slice name, const char *path, struct error *err) {
    char target[ENTRY_NAME_MAX + 2];
    const ssize_t length = readlink(path, target, sizeof(target));
    if (length < 0) {
        return error_errno(err, errno, "%s: cannot read the symlink", path);
    }
    return tree_add_link(walk->tree, name, path, slice_make(target, (size_t)length), err);
}

static bool walk_folder(struct walk *walk, struct slice name, const char *path,
                        const struct stat *found, struct error *err);

static bool walk_entry(struct walk *walk, struct slice name, const char *path, struct error *err) {
    struct stat found;
    if (lstat(path, &found) != 0) {
        return error_errno(err, errno, "%s", path);
    }
    if (S_ISREG(found.st_mode)) {
        return tree_add_file(walk->tree, name, path, -1, &found, found.st_mode, err);
    }
    if (S_ISLNK(found.st_mode)) {
        return add_link(walk, name, path, err);
    }
    if (S_ISDIR(found.st_mode)) {
        return tree_add_folder(walk->tree, name, path, err) &&
               walk_folder(walk, name, path, &found, err);
    }
    return error_set(err, "kind", "%s: is %s, which a zip cannot hold", path,
                     kind_of(found.st_mode));
}

/// All names in a folder, so that no descriptor stays open while we go deeper.
struct names {
    char **items;
    size_t count;
    size_t capacity;
};

static void names_clean_up(struct names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
    }
    free((void *)names->items);
}

static bool read_names(const char *path, struct names *names, struct error *err) {
    cleanup_closedir DIR *folder = opendir(path);
    if (!folder) {
        return error_errno(err, errno, "%s: cannot read the folder", path);
    }
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(folder);
        if (!item) {
            break;
        }
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) {
            continue;
        }
        if (names->count == names->capacity) {
            names->capacity = names->capacity > 0 ? 2 * names->capacity : 16;
            names->items =
                xreallocarray((void *)names->items, names->capacity, sizeof(*names->items));
        }
        names->items[names->count++] = xstrdup(item->d_name);
    }
    return errno == 0 || error_errno(err, errno, "%s: cannot read the folder", path);
}

static bool is_output(const struct walk *walk, const struct stat *folder, const char *name) {
    const struct collect_output *output = walk->output;
    return output && output->name && folder->st_dev == output->device &&
           folder->st_ino == output->folder && strcmp(name, output->name) == 0;
}

/// `found` is the folder's own state.
static bool walk_folder(struct walk *walk, struct slice name, const char *path,
                        const struct stat *found, struct error *err) {
    __attribute__((cleanup(names_clean_up))) struct names names = {0};
    if (!read_names(path, &names, err)) {
        return false;
    }
    for (size_t i = 0; i < names.count; i++) {
        const char *item = names.items[i];
        if (is_output(walk, found, item)) {
            continue;
        }
        cleanup_free char *below =
            name.len == 0 ? xstrdup(item)
                          : xasprintf("%" SLICE_FORMAT "/%s", SLICE_ARGUMENTS(name), item);
        const bool has_slash = path[0] != '\0' && path[strlen(path) - 1] == '/';
        cleanup_free char *deeper = xasprintf("%s%s%s", path, has_slash ? "" : "/", item);
        if (!walk_entry(walk, slice_text(below), deeper, err)) {
            return false;
        }
    }
    return true;
}

bool collect_path(struct tree *tree, struct slice name, const char *path,
                  const struct collect_output *output, const mode_t *mode, struct error *err) {
    struct walk walk = {.tree = tree, .output = output};
    struct stat found;
    if (stat(path, &found) != 0) {
        return error_errno(err, errno, "%s", path);
    }
    if (S_ISDIR(found.st_mode)) {
        return (name.len == 0 || tree_add_folder(tree, name, path, err)) &&
               walk_folder(&walk, name, path, &found, err);
    }
    if (!S_ISREG(found.st_mode)) {
        return error_set(err, "kind", "%s: is %s, which a zip cannot hold", path,
                         kind_of(found.st_mode));
    }
    return tree_add_file(tree, name, path, -1, &found, mode ? *mode : found.st_mode, err);
}

bool collect_source(struct tree *tree, const char *source, const struct collect_output *output,
                    struct error *err) {
    struct stat found;
    if (stat(source, &found) != 0) {
        return error_errno(err, errno, "%s", source);
    }
    if (S_ISDIR(found.st_mode)) {
        return collect_path(tree, SLICE(""), source, output, NULL, err);
    }
    return collect_path(tree, slice_text(tree_base_name(source)), source, output, NULL, err);
}
