// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/mirror_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zip.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/clock.h"

static const char ZIP[] = "zip";
enum {
    STEP = 128 * 1024,
    MOST_PARTS = 16,
    HIGHEST_RATIO = 200,
    /// Below this size no ratio is worth a thought.
    SMALL = 1024 * 1024,
    FOLDER_MODE = 0755,
};
/// Lambda's largest /tmp.
static const int64_t MOST_BYTES = INT64_C(10) << 30;

struct unpacking {
    zip_t *zip;
    int folder;
    int64_t deadline_ms;
    struct mirror_manifest *manifest;
    int64_t size;
    char *piece;
    struct error *err;
};

static void discardp(zip_t **zip) {
    if (*zip) {
        zip_discard(*zip);
    }
}

static void fclose_entryp(zip_file_t **file) {
    if (*file) {
        (void)zip_fclose(*file);
    }
}

static void free_contextp(EVP_MD_CTX **context) {
    EVP_MD_CTX_free(*context);
}

static zip_t *open_zip(int fd, struct error *err) {
    // libzip seeks and closes: that must not be the caller's descriptor.
    cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cleanup_fclose FILE *stream = copy < 0 ? NULL : fdopen(copy, "rb");
    if (!stream) {
        error_errno(err, errno, "cannot open the zip");
        return NULL;
    }
    (void)steal_fd(&copy);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_filep_create(stream, 0, -1, &error);
    if (source) {
        (void)steal_pointer(&stream);
    }
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (!zip) {
        error_set(err, ZIP, "it is not a good zip: %s", zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return zip;
}

// --- What is refused -----------------------------------------------------------------------------

/// A name as it may stand in a message.
static void describe(struct buffer *out, const char *name) {
    for (const char *at = name; *at && out->len < 200; at++) {
        const unsigned char byte = (unsigned char)*at;
        buffer_appendf(out, byte < 0x20 || byte >= 0x7f ? "\\x%02x" : "%c", (unsigned)byte);
    }
}

static bool refuse(struct error *err, const char *name, const char *flaw) {
    cleanup_buffer struct buffer text = BUFFER_INIT(1024);
    describe(&text, name);
    return error_set(err, ZIP, "the entry %s %s", buffer_text(&text), flaw);
}

static bool check_name(const char *name, struct error *err) {
    struct slice rest = slice_text(name);
    if (rest.len == 0 || rest.len > MIRROR_MAX_PATH) {
        return refuse(err, name, "has an empty or too long name");
    }
    for (size_t i = 0; i < rest.len; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\') {
            return refuse(err, name, "has a backslash or a control character in its name");
        }
    }
    if (slice_ends_with(rest, SLICE("/"))) {
        rest.len--; // A folder.
    }
    struct slice part;
    int parts = 0;
    while (slice_split(&rest, '/', &part)) {
        if (part.len == 0 || part.len > 255 || slice_equal_text(part, ".") ||
            slice_equal_text(part, "..")) {
            return refuse(err, name, "has a path that leads out of the folder or is none");
        }
        parts++;
    }
    return parts <= MOST_PARTS || refuse(err, name, "lies too deep");
}

/// The type and mode that the entry's attributes have; 0 where they say nothing.
static mode_t mode_of(zip_t *zip, zip_uint64_t index) {
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    const bool known = zip_file_get_external_attributes(zip, index, 0, &system, &attributes) == 0 &&
                       (system == ZIP_OPSYS_UNIX || system == ZIP_OPSYS_OS_X);
    return known ? (mode_t)(attributes >> 16) : 0;
}

static bool check_entry(const zip_stat_t *status, mode_t mode, struct error *err) {
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if ((status->valid & needed) != needed) {
        return error_set(err, ZIP, "an entry has no name, size or method");
    }
    if (!check_name(status->name, err)) {
        return false;
    }
    const bool folder = slice_ends_with(slice_text(status->name), SLICE("/"));
    const mode_t type = mode & S_IFMT;
    if (type != 0 && type != (folder ? S_IFDIR : S_IFREG)) {
        return refuse(err, status->name, "is neither a file nor a folder (a link?)");
    }
    if (status->encryption_method != ZIP_EM_NONE) {
        return refuse(err, status->name, "is encrypted");
    }
    if (status->comp_method != ZIP_CM_STORE && status->comp_method != ZIP_CM_DEFLATE) {
        return refuse(err, status->name, "is not compressed by deflate");
    }
    if (folder && status->size > 0) {
        return refuse(err, status->name, "is a folder with a content");
    }
    if (status->size > (zip_uint64_t)MOST_BYTES ||
        (status->size > SMALL && status->size / HIGHEST_RATIO > status->comp_size)) {
        return refuse(err, status->name, "is far too large for what it is packed to");
    }
    return true;
}

/// Everything is looked at before anything is written.
static bool check_all(struct unpacking *unpacking) {
    const zip_int64_t count = zip_get_num_entries(unpacking->zip, 0);
    if (count <= 0 || count > MIRROR_MAX_ENTRIES) {
        return error_set(unpacking->err, ZIP, "it has %lld entries; expected 1 to %d",
                         (long long)count, MIRROR_MAX_ENTRIES);
    }
    for (zip_uint64_t i = 0; i < (zip_uint64_t)count; i++) {
        zip_stat_t status;
        if (zip_stat_index(unpacking->zip, i, 0, &status) != 0) {
            return error_set(unpacking->err, ZIP, "entry %llu cannot be read: %s",
                             (unsigned long long)i, zip_strerror(unpacking->zip));
        }
        if (!check_entry(&status, mode_of(unpacking->zip, i), unpacking->err)) {
            return false;
        }
        unpacking->size += (int64_t)status.size;
    }
    return unpacking->size <= MOST_BYTES ||
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

// --- Writing -------------------------------------------------------------------------------------

/// Opens a folder in another one, made where it is missing; -1 on failure. `path` is for the
/// manifest.
static int enter(const struct unpacking *unpacking, int parent, const char *name,
                 const char *path) {
    const bool made = mkdirat(parent, name, FOLDER_MODE) == 0;
    cleanup_close int folder =
        made || errno == EEXIST
            ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            : -1;
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

static bool write_piece(const struct unpacking *unpacking, int fd, const char *path, size_t count) {
    for (size_t written = 0; written < count;) {
        const ssize_t now = write(fd, unpacking->piece + written, count - written);
        if (now < 0 && (errno == ENOSPC || errno == EDQUOT)) {
            return no_space(unpacking);
        }
        if (now < 0 && errno != EINTR) {
            return error_errno(unpacking->err, errno, "cannot write %s", path);
        }
        written += now > 0 ? (size_t)now : 0;
    }
    return true;
}

/// Inflates an entry into the file; `entry` has its size and gets its hash.
static bool copy(const struct unpacking *unpacking, zip_uint64_t index, int fd,
                 struct mirror_entry *entry) {
    __attribute__((cleanup(fclose_entryp))) zip_file_t *file =
        zip_fopen_index(unpacking->zip, index, 0);
    __attribute__((cleanup(free_contextp))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!file || !context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        return error_set(unpacking->err, ZIP, "cannot unpack %s", entry->path);
    }
    for (int64_t total = 0;;) {
        const zip_int64_t count = zip_fread(file, unpacking->piece, STEP);
        if (count < 0) {
            return error_set(unpacking->err, ZIP, "cannot unpack %s: %s", entry->path,
                             zip_file_strerror(file));
        }
        total += count;
        if (total > entry->size || (count == 0 && total < entry->size)) {
            return error_set(unpacking->err, ZIP, "%s is not as large as announced", entry->path);
        }
        if (count == 0) {
            return EVP_DigestFinal_ex(context, entry->digest, NULL) == 1 ||
                   error_set(unpacking->err, "crypto", "cannot take a SHA-256");
        }
        if (clock_now_ms(clock_system()) >= unpacking->deadline_ms && unpacking->deadline_ms > 0) {
            return error_set(unpacking->err, "timeout", "the time is over");
        }
        if (EVP_DigestUpdate(context, unpacking->piece, (size_t)count) != 1 ||
            !write_piece(unpacking, fd, entry->path, (size_t)count)) {
            return false;
        }
    }
}

static bool unpack_file(const struct unpacking *unpacking, zip_uint64_t index, int parent,
                        const char *name, struct mirror_entry *entry) {
    cleanup_close int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? refuse(unpacking->err, entry->path, "is there twice")
                               : error_errno(unpacking->err, errno, "cannot make %s", entry->path);
    }
    if (!copy(unpacking, index, fd, entry)) {
        return false;
    }
    if (fchmod(fd, entry->mode) != 0) {
        return error_errno(unpacking->err, errno, "cannot set the mode of %s", entry->path);
    }
    return mirror_manifest_add(unpacking->manifest, entry, unpacking->err);
}

static bool unpack_entry(const struct unpacking *unpacking, zip_uint64_t index) {
    zip_stat_t status;
    if (zip_stat_index(unpacking->zip, index, 0, &status) != 0) {
        return error_set(unpacking->err, ZIP, "%s", zip_strerror(unpacking->zip));
    }
    cleanup_free char *path = xstrdup(status.name);
    char *name = NULL;
    cleanup_close int parent = open_parent(unpacking, path, &name);
    if (parent < 0) {
        return false;
    }
    if (*name == '\0') {
        return true; // A folder, which is made by now.
    }
    struct mirror_entry entry = {
        .path = path,
        .mode = mode_of(unpacking->zip, index) & S_IXUSR ? 0755 : 0644,
        .size = (int64_t)status.size,
    };
    return unpack_file(unpacking, index, parent, name, &entry);
}

bool mirror_unpack(int zip, int folder, int64_t deadline_ms, struct mirror_manifest *manifest,
                   int64_t *size, struct error *err) {
    __attribute__((cleanup(discardp))) zip_t *opened = open_zip(zip, err);
    if (!opened) {
        return false;
    }
    cleanup_free char *piece = xmalloc(STEP);
    struct unpacking unpacking = {
        .zip = opened,
        .folder = folder,
        .deadline_ms = deadline_ms,
        .manifest = manifest,
        .piece = piece,
        .err = err,
    };
    if (!check_all(&unpacking) || !check_space(&unpacking)) {
        return false;
    }
    const zip_uint64_t count = (zip_uint64_t)zip_get_num_entries(opened, 0);
    for (zip_uint64_t i = 0; i < count; i++) {
        if (!unpack_entry(&unpacking, i)) {
            return false;
        }
    }
    *size = unpacking.size;
    return true;
}
