// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/mirror_manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/attributes.h"

static const char CHANGED[] = "changed";
static const mode_t PERMISSIONS = (mode_t)07777;
/// Of a file or folder, beside its content: for the file system's own blocks.
static const int64_t MOST_ROOM_BESIDE = (int64_t)1 << 20;

void mirror_manifest_clean_up(struct mirror_manifest *manifest) {
    for (size_t i = 0; i < manifest->count; i++) {
        free(manifest->entries[i].path);
    }
    free(manifest->entries);
    *manifest = (struct mirror_manifest){0};
}

bool mirror_manifest_add(struct mirror_manifest *manifest, const struct mirror_entry *entry,
                         struct error *err) {
    if (manifest->count >= MIRROR_MAX_ENTRIES) {
        return error_set(err, "too_many", "there are more than %d files and folders",
                         MIRROR_MAX_ENTRIES);
    }
    if (manifest->count % 64 == 0) {
        manifest->entries =
            xreallocarray(manifest->entries, manifest->count + 64, sizeof(*manifest->entries));
    }
    struct mirror_entry *added = &manifest->entries[manifest->count++];
    *added = *entry;
    added->path = xstrdup(entry->path);
    manifest->sorted = false;
    return true;
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct mirror_entry *)a)->path, ((const struct mirror_entry *)b)->path);
}

// --- Check ---------------------------------------------------------------------------------------

struct check {
    const struct mirror_manifest *manifest;
    size_t found;
    int64_t deadline_ms;
    bool contents;
    struct error *err;
};

static const struct mirror_entry *find(const struct mirror_manifest *manifest, const char *path) {
    const struct mirror_entry key = {.path = (char *)(uintptr_t)path};
    return manifest->count > 0 ? bsearch(&key, manifest->entries, manifest->count,
                                         sizeof(*manifest->entries), compare)
                               : NULL;
}

/// What was allocated beyond a file's end, or for names that a folder no longer has, is not seen in
/// its size, and would be missing in every later job.
static bool check_room(const struct stat *status, const char *path, struct error *err) {
    const int64_t content = S_ISREG(status->st_mode) ? (int64_t)status->st_size : 0;
    return (int64_t)status->st_blocks * 512 <= content + MOST_ROOM_BESIDE ||
           error_set(err, CHANGED, "%s takes more room than its content", path);
}

static bool check_status(const struct check *check, const struct mirror_entry *entry, int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_errno(check->err, errno, "cannot look at %s", entry->path);
    }
    if (entry->is_folder ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode)) {
        return error_set(check->err, CHANGED, "%s is of another kind", entry->path);
    }
    if ((status.st_mode & PERMISSIONS) != entry->mode) {
        return error_set(check->err, CHANGED, "%s has the mode %04o instead of %04o", entry->path,
                         (unsigned)(status.st_mode & PERMISSIONS), (unsigned)entry->mode);
    }
    if (!check_room(&status, entry->path, check->err)) {
        return false;
    }
    if (!attributes_reset(fd, entry->path, check->err)) {
        return error_set(check->err, CHANGED, "%s", check->err->message);
    }
    if (entry->is_folder) {
        return true;
    }
    if (status.st_nlink != 1) {
        return error_set(check->err, CHANGED, "%s has another name as well", entry->path);
    }
    return status.st_size == entry->size ||
           error_set(check->err, CHANGED, "%s has another size", entry->path);
}

static bool check_file(const struct check *check, const struct mirror_entry *entry, int folder,
                       const char *name) {
    cleanup_close int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return error_set(check->err, CHANGED, "%s cannot be read", entry->path);
    }
    unsigned char digest[DIGEST_SIZE];
    if (!check_status(check, entry, fd)) {
        return false;
    }
    if (!check->contents) {
        return true;
    }
    if (!digest_fd(fd, entry->path, digest, check->err)) {
        return false;
    }
    return memcmp(digest, entry->digest, DIGEST_SIZE) == 0 ||
           error_set(check->err, CHANGED, "%s has another content", entry->path);
}

static bool check_folder(struct check *check, int folder, const char *prefix);

static bool check_entry(struct check *check, int folder, const char *prefix, const char *name) {
    if (check->deadline_ms > 0 && clock_now_ms(clock_system()) >= check->deadline_ms) {
        return error_set(check->err, "timeout", "the time is over");
    }
    cleanup_free char *path = xasprintf("%s%s%s", prefix, *prefix ? "/" : "", name);
    const struct mirror_entry *entry = find(check->manifest, path);
    if (!entry) {
        // Its name is somebody else's choice, and no text for a log.
        return error_set(check->err, CHANGED, "there is something more in %s",
                         *prefix ? prefix : "it");
    }
    check->found++;
    if (!entry->is_folder) {
        return check_file(check, entry, folder, name);
    }
    cleanup_close int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return error_set(check->err, CHANGED, "%s is not a folder that can be read", path);
    }
    return check_status(check, entry, fd) && check_folder(check, fd, path);
}

/// As deep as the manifest is at most.
// NOLINTNEXTLINE(misc-no-recursion)
static bool check_folder(struct check *check, int folder, const char *prefix) {
    const int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_closedir DIR *stream = own < 0 ? NULL : fdopendir(own);
    if (!stream) {
        return error_errno(check->err, errno, "cannot list %s", prefix);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            return errno == 0 || error_errno(check->err, errno, "cannot list %s", prefix);
        }
        const bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!dots && !check_entry(check, folder, prefix, entry->d_name)) {
            return false;
        }
    }
}

static bool check_tree(struct mirror_manifest *manifest, int root, int64_t deadline_ms,
                       bool contents, struct error *err) {
    if (!manifest->sorted && manifest->count > 0) {
        qsort(manifest->entries, manifest->count, sizeof(*manifest->entries), compare);
    }
    manifest->sorted = true;
    struct stat status;
    if (fstat(root, &status) != 0 || fchmod(root, 0700) != 0 ||
        !attributes_reset(root, "it", err)) {
        return error_set(err, CHANGED, "it is somebody else's");
    }
    if (!check_room(&status, "it", err)) {
        return false;
    }
    struct check check = {
        .manifest = manifest, .deadline_ms = deadline_ms, .contents = contents, .err = err};
    if (!check_folder(&check, root, "")) {
        return false;
    }
    return check.found == manifest->count ||
           error_set(err, CHANGED, "%zu of its files and folders are missing",
                     manifest->count - check.found);
}

bool mirror_manifest_verify(struct mirror_manifest *manifest, int root, int64_t deadline_ms,
                            struct error *err) {
    return check_tree(manifest, root, deadline_ms, true, err);
}

bool mirror_manifest_fits(struct mirror_manifest *manifest, int root, struct error *err) {
    return check_tree(manifest, root, 0, false, err);
}
