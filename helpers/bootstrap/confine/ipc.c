// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/confine/ipc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootstrap/runtime/error_types.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/system/attributes.h"
#include "common/system/files.h"
#include "common/system/keyrings.h"
#include "common/system/sysv_objects.h"

/// Where a user may write on usual systems beside /tmp: POSIX shared memory and semaphores, queues,
/// locks, files that shall survive a reboot. Lambda has none of them; another image may.
static const char *const folders[] = {"/dev/shm", "/dev/mqueue", "/run/shm", "/run/lock",
                                      "/var/tmp"};

static bool say_dirty(struct error *err) {
    return error_set(err, ERROR_WORKSPACE_DIRTY, "cannot remove what a job left: %s", err->message);
}

bool ipc_forbid_queues(struct error *err) {
    // The hard limit, too: without a privilege nobody can raise it again.
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_MSGQUEUE, &none) != 0) {
        error_errno(err, errno, "cannot forbid message queues");
        return error_set(err, ERROR_INIT_FAILED, "%s", err->message);
    }
    return true;
}

bool ipc_prepare(struct error *err) {
    if (!ipc_forbid_queues(err)) {
        return false;
    }
    // Keys of a job before us may take all the room.
    return (keyrings_clear_user(err) && keyrings_leave_session(err)) || say_dirty(err);
}

static bool is_ours(int folder, const char *name) {
    struct stat status;
    return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_uid == geteuid();
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/// Goes once through the folder; `*seen` is how many entries of ours were there.
static bool clear_once(const char *folder, int64_t limit_ms, size_t *seen, struct error *err) {
    *seen = 0;
    cleanup_closedir DIR *stream = opendir(folder);
    if (!stream) {
        // Who may not list it does not own it, and could not have hidden it from us.
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
               error_errno(err, errno, "cannot list %s", folder);
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(stream))) {
        if (is_dots(entry->d_name) || !is_ours(dirfd(stream), entry->d_name)) {
            continue;
        }
        (*seen)++;
        cleanup_free char *path = xasprintf("%s/%s", folder, entry->d_name);
        if (!files_remove_tree(path, limit_ms, err)) {
            return false;
        }
    }
    return true;
}

bool ipc_clear_folder(const char *folder, int64_t limit_ms, struct error *err) {
    struct stat status;
    if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return true; // A link leads to one that is /tmp, or stands in the list itself.
    }
    if (!attributes_reset_folder(folder, err)) {
        return false;
    }
    size_t seen = 0;
    do { // Removing while reading may or may not show all.
        if (!clear_once(folder, limit_ms, &seen, err)) {
            return false;
        }
    } while (seen > 0);
    return true;
}

static bool clear_all(int64_t limit_ms, struct error *err) {
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (!ipc_clear_folder(folders[i], limit_ms, err)) {
            return false;
        }
    }
    if (!sysv_objects_remove(geteuid(), err)) {
        return false;
    }
    // Any of them may take all the room that the next step needs.
    keyrings_clear_session();
    return keyrings_clear_user(err) && keyrings_leave_session(err);
}

bool ipc_clear(int64_t limit_ms, struct error *err) {
    // Lambda never runs us as root, whose objects and folders are the machine's.
    return geteuid() == 0 || clear_all(limit_ms, err) || say_dirty(err);
}
