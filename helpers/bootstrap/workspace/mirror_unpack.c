// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/mirror_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/system/digest.h"
#include "common/system/files.h"
#include "common/zip/entry_name.h"
#include "common/zip/reader.h"

static const char ZIP[] = "zip";
enum {
    MOST_PARTS = 16,
    HIGHEST_RATIO = 200,
    /// Below this size no ratio is worth a thought.
    SMALL = 1024 * 1024,
    FOLDER_MODE = 0755,
};

struct unpacking {
    const struct reader *reader;
    int folder;
    int64_t deadline_ms;
    struct mirror_manifest *manifest;
    int64_t size;
    struct error *err;
};

// --- Refusals ------------------------------------------------------------------------------------

/// Says why the name is refused, or NULL: what is more than a plain path into a mirror.
static const char *flaw_of_name(struct slice name) {
    const char *flaw = entry_name_flaw(name);
    if (flaw) {
        return flaw;
    }
    if (name.len > MIRROR_MAX_PATH) {
        return "the path is too long";
    }
    if (slice_has_control(name) || slice_find(name, '\\') < name.len) {
        return "the name has a backslash or a control character in it";
    }
    size_t parts = 0;
    struct slice part;
    while (slice_split(&name, '/', &part)) {
        parts++;
    }
    return parts <= MOST_PARTS ? NULL : "the path is too deep";
}

/// Says why the entry is refused, or NULL.
static const char *flaw_of(const struct reader_entry *entry) {
    const bool folder = S_ISDIR(entry->mode);
    const struct slice name = slice_text(entry->name);
    const char *flaw = flaw_of_name(slice_make(name.data, name.len - (folder ? 1 : 0)));
    if (flaw) {
        return flaw;
    }
    if (!folder && !S_ISREG(entry->mode)) {
        return "neither a file nor a folder (a link?)";
    }
    const bool bomb = entry->size > (uint64_t)MIRROR_MOST_BYTES ||
                      (entry->size > SMALL && entry->size / HIGHEST_RATIO > entry->packed_size);
    return bomb ? "far too large for what it is packed to" : NULL;
}

static bool look(const struct unpacking *unpacking, uint64_t index, struct reader_entry *entry) {
    if (!reader_look(unpacking->reader, index, entry, unpacking->err)) {
        return false;
    }
    const char *flaw = flaw_of(entry);
    return !flaw || reader_refuse(entry, flaw, unpacking->err);
}

/// Everything is looked at before anything is written.
static bool check_all(struct unpacking *unpacking) {
    const uint64_t count = unpacking->reader->count;
    if (count == 0 || count > MIRROR_MAX_ENTRIES) {
        return error_set(unpacking->err, ZIP, "it has %llu entries; expected 1 to %d",
                         (unsigned long long)count, MIRROR_MAX_ENTRIES);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct reader_entry entry;
        if (!look(unpacking, i, &entry)) {
            return false;
        }
        unpacking->size += (int64_t)entry.size;
    }
    return unpacking->size <= MIRROR_MOST_BYTES ||
           error_set(unpacking->err, ZIP, "it has more than 10 GiB of files");
}

static bool no_space(const struct unpacking *unpacking) {
    return error_set(unpacking->err, "no_space",
                     "its files take %lld MiB of /tmp beside the zip itself, and there is less: "
                     "set the function's ephemeral_storage to that and what jobs need",
                     (long long)((unpacking->size >> 20) + 1));
}

static bool check_space(const struct unpacking *unpacking) {
    struct statvfs status;
    if (fstatvfs(unpacking->folder, &status) != 0) {
        return error_errno(unpacking->err, errno, "cannot ask how much room there is");
    }
    const uint64_t free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return (uint64_t)unpacking->size <= free_bytes || no_space(unpacking);
}

// --- Files ---------------------------------------------------------------------------------------

/// Opens a folder in another one, made where it is missing; -1 on failure. `path` is for the
/// manifest.
static int enter(const struct unpacking *unpacking, int parent, const char *name,
                 const char *path) {
    const bool made = mkdirat(parent, name, FOLDER_MODE) == 0;
    cleanup_close int folder =
        made || errno == EEXIST
            ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            : -1;
    if (folder < 0 && errno == ENOTDIR) {
        error_set(unpacking->err, ZIP, "%s: a file, and a folder as well", path);
        return -1;
    }
    if (folder < 0 || (made && fchmod(folder, FOLDER_MODE) != 0)) {
        error_errno(unpacking->err, errno, "cannot make the folder %s", path);
        return -1;
    }
    const struct mirror_entry entry = {
        .path = (char *)(uintptr_t)path, .is_folder = true, .mode = FOLDER_MODE};
    if (made && !mirror_manifest_add(unpacking->manifest, &entry, unpacking->err)) {
        return -1;
    }
    return steal_fd(&folder);
}

/// Opens the folder that holds `path`, and makes what of it is missing; -1 on failure. `*name` is
/// the path's last part, empty for a folder.
static int open_parent(const struct unpacking *unpacking, char *path, char **name) {
    int folder = fcntl(unpacking->folder, F_DUPFD_CLOEXEC, 0);
    if (folder < 0) {
        error_errno(unpacking->err, errno, "cannot open the folder");
    }
    *name = path;
    for (char *slash = strchr(path, '/'); folder >= 0 && slash; slash = strchr(*name, '/')) {
        *slash = '\0';
        const int next = enter(unpacking, folder, *name, path);
        (void)close(folder);
        folder = next;
        *slash = '/';
        *name = slash + 1;
    }
    return folder;
}

/// A file that is being written.
struct target {
    const struct unpacking *unpacking;
    int fd;
    const char *path;
    struct digest *digest;
};

static bool take(void *context, struct slice piece, struct error *err) {
    struct target *target = context;
    const int64_t deadline_ms = target->unpacking->deadline_ms;
    if (deadline_ms > 0 && clock_now_ms(clock_system()) >= deadline_ms) {
        return error_set(err, "timeout", "the time is over");
    }
    if (files_write_fd(target->fd, target->path, piece, err)) {
        return digest_add(target->digest, piece, err);
    }
    return err->errnum == ENOSPC || err->errnum == EDQUOT ? no_space(target->unpacking) : false;
}

/// Inflates an entry into the file; `made` gets its hash.
static bool copy(const struct unpacking *unpacking, const struct reader_entry *entry, int fd,
                 struct mirror_entry *made) {
    cleanup_digest struct digest digest = {0};
    struct target target = {
        .unpacking = unpacking, .fd = fd, .path = made->path, .digest = &digest};
    return digest_begin(&digest, unpacking->err) &&
           reader_read(unpacking->reader, entry, take, &target, unpacking->err) &&
           digest_end(&digest, made->digest, unpacking->err);
}

static bool unpack_file(const struct unpacking *unpacking, const struct reader_entry *entry,
                        int parent, const char *name, struct mirror_entry *made) {
    cleanup_close int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? error_set(unpacking->err, ZIP, "%s: is there twice", made->path)
                               : error_errno(unpacking->err, errno, "cannot make %s", made->path);
    }
    if (!copy(unpacking, entry, fd, made)) {
        return false;
    }
    if (fchmod(fd, made->mode) != 0) {
        return error_errno(unpacking->err, errno, "cannot set the mode of %s", made->path);
    }
    return mirror_manifest_add(unpacking->manifest, made, unpacking->err);
}

static bool unpack_entry(const struct unpacking *unpacking, uint64_t index) {
    struct reader_entry entry;
    if (!look(unpacking, index, &entry)) {
        return false;
    }
    cleanup_free char *path = xstrdup(entry.name);
    char *name = NULL;
    cleanup_close int parent = open_parent(unpacking, path, &name);
    if (parent < 0) {
        return false;
    }
    if (*name == '\0') {
        return true; // A folder, which is made by now.
    }
    struct mirror_entry made = {
        .path = path,
        .mode = entry.mode & S_IXUSR ? 0755 : 0644,
        .size = (int64_t)entry.size,
    };
    return unpack_file(unpacking, &entry, parent, name, &made);
}

bool mirror_unpack(int zip, int folder, int64_t deadline_ms, struct mirror_manifest *manifest,
                   int64_t *size, struct error *err) {
    cleanup_reader struct reader reader = {0};
    if (!reader_open(&reader, zip, err)) {
        return false;
    }
    struct unpacking unpacking = {
        .reader = &reader,
        .folder = folder,
        .deadline_ms = deadline_ms,
        .manifest = manifest,
        .err = err,
    };
    if (!check_all(&unpacking) || !check_space(&unpacking)) {
        return false;
    }
    for (uint64_t i = 0; i < reader.count; i++) {
        if (!unpack_entry(&unpacking, i)) {
            return false;
        }
    }
    *size = unpacking.size;
    return true;
}
