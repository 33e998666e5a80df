// SPDX-License-Identifier: Apache-2.0
#include "assume-role/session_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/system/environment.h"
#include "common/system/files.h"

enum {
    LARGEST_FILE = 256 * 1024,
    /// Between two looks at a lock.
    LOCK_PAUSE_MS = 20,
    /// No session lasts so long.
    OLD_SECONDS = 13 * 3600,
    /// "<SHA-256>.json"
    NAME_LENGTH = 64 + 5,
};

// --- The place --------------------------------------------------------------------------------

static int open_folder(struct error *err) {
    cleanup_free char *path = environment_cache_folder();
    if (!path) {
        error_set(err, "cache", "neither XDG_CACHE_HOME nor HOME is set");
        return -1;
    }
    if (!files_make_directories(path, 0700, err)) {
        return -1;
    }
    cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_errno(err, errno, "cannot open %s", path);
        return -1;
    }
    if (status.st_uid != geteuid()) {
        error_set(err, "cache", "%s belongs to another user", path);
        return -1;
    }
    if ((status.st_mode & 0077) != 0 && fchmod(fd, 0700) != 0) {
        error_errno(err, errno, "cannot keep others out of %s", path);
        return -1;
    }
    return steal_fd(&fd);
}

/// Removes what is too old to be good, if it is one of ours.
static void prune(int folder, int64_t now_ms) {
    cleanup_closedir DIR *directory = NULL;
    const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0 || !(directory = fdopendir(copy))) {
        cleanup_closep(&copy);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory));) {
        const struct slice name = slice_text(entry->d_name);
        struct stat status;
        if (name.len == NAME_LENGTH && slice_ends_with(name, SLICE(".json")) &&
            fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && status.st_mtime < now_ms / 1000 - OLD_SECONDS) {
            (void)unlinkat(folder, entry->d_name, 0);
        }
    }
}

/// Makes sure that it is a plain file which only we can have written.
static bool check_file(int fd, const char *name, struct error *err) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_errno(err, errno, "cannot look at %s", name);
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1) {
        return error_set(err, "cache", "%s is not a file of our own", name);
    }
    // Whoever could write to it may have.
    if ((status.st_mode & 0077) != 0 && (ftruncate(fd, 0) != 0 || fchmod(fd, 0600) != 0)) {
        return error_errno(err, errno, "cannot keep others out of %s", name);
    }
    return true;
}

bool session_cache_open(struct session_cache *cache, const char *key, struct clock *clock,
                        struct error *err) {
    *cache = (struct session_cache){.fd = -1, .clock = clock};
    cleanup_close int folder = open_folder(err);
    if (folder < 0) {
        return false;
    }
    prune(folder, clock_now_ms(clock));
    cleanup_free char *name = xasprintf("%s.json", key);
    // Without O_NONBLOCK a FIFO of that name would make us wait.
    cleanup_close int fd =
        openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_errno(err, errno, "cannot open %s in the cache", name);
    }
    if (!check_file(fd, name, err)) {
        return false;
    }
    cache->fd = steal_fd(&fd);
    cache->key = xstrdup(key);
    return true;
}

void session_cache_close(struct session_cache *cache) {
    cleanup_closep(&cache->fd);
    cache->fd = -1;
    free(cache->key);
    cache->key = NULL;
}

// --- The content ------------------------------------------------------------------------------

static struct secret *take_secret(const struct json *object, const char *key) {
    struct slice text;
    struct error ignored;
    return json_get_string(object, key, &text, &ignored) ? secret_new(text) : NULL;
}

static char *take_text(const struct json *object, const char *key) {
    struct slice text;
    struct error ignored;
    return json_get_string(object, key, &text, &ignored) ? slice_copy(text) : NULL;
}

/// Whether it was written for this request.
static bool has_key(const struct json *object, const char *key) {
    struct slice text;
    struct error ignored;
    return json_get_string(object, "Key", &text, &ignored) && slice_equal_text(text, key);
}

/// Reads the file; false where it holds nothing that is whole and fresh.
static bool read_session(const struct session_cache *cache, struct sts_session *session) {
    cleanup_buffer struct buffer content = BUFFER_INIT_SENSITIVE(LARGEST_FILE);
    cleanup_json_document struct json_document document = {0};
    struct error ignored;
    int64_t version = 0;
    int64_t until_ms = 0;
    if (lseek(cache->fd, 0, SEEK_SET) != 0 ||
        !files_read_fd(cache->fd, "cache", &content, &ignored) ||
        !json_parse(buffer_slice(&content), "cache", &document, &ignored) ||
        !json_get_integer(&document.root, "Version", &version, &ignored) || version != 1 ||
        !has_key(&document.root, cache->key) ||
        !json_get_integer(&document.root, "UntilMs", &until_ms, &ignored) ||
        until_ms - SESSION_CACHE_MARGIN_MS <= clock_now_ms(cache->clock)) {
        return false;
    }
    struct aws_credentials *credentials = &session->credentials;
    credentials->access_key = take_text(&document.root, "AccessKeyId");
    credentials->secret_key = take_secret(&document.root, "SecretAccessKey");
    credentials->session_token = take_secret(&document.root, "SessionToken");
    session->arn = take_text(&document.root, "Arn");
    session->id = take_text(&document.root, "AssumedRoleId");
    const bool whole =
        credentials->access_key && credentials->secret_key && credentials->session_token &&
        session->arn && session->id &&
        json_get_integer(&document.root, "ExpirationMs", &credentials->expires_ms, &ignored);
    if (!whole) {
        sts_session_clean_up(session);
    }
    return whole;
}

bool session_cache_get(struct session_cache *cache, int64_t deadline_ms,
                       struct sts_session *session) {
    *session = (struct sts_session){0};
    if (cache->fd < 0) {
        return false;
    }
    // Readers of a fresh one do not wait for each other.
    if (flock(cache->fd, LOCK_SH | LOCK_NB) == 0 && read_session(cache, session)) {
        (void)flock(cache->fd, LOCK_UN);
        return true;
    }
    (void)flock(cache->fd, LOCK_UN);
    while (flock(cache->fd, LOCK_EX | LOCK_NB) != 0) {
        const bool busy = errno == EWOULDBLOCK || errno == EINTR;
        if (!busy || clock_left_ms(cache->clock, deadline_ms) == 0) {
            session_cache_close(cache);
            return false;
        }
        clock_sleep_ms(cache->clock, LOCK_PAUSE_MS, 0);
    }
    return read_session(cache, session);
}

bool session_cache_put(struct session_cache *cache, const struct sts_session *session,
                       int64_t skew_ms, struct error *err) {
    if (cache->fd < 0) {
        return true;
    }
    const struct aws_credentials *credentials = &session->credentials;
    cleanup_buffer struct buffer content = BUFFER_INIT_SENSITIVE(LARGEST_FILE);
    // By our own clock, with which it will be compared.
    buffer_appendf(&content, "{\"Version\":1,\"UntilMs\":%lld,\"ExpirationMs\":%lld",
                   (long long)(credentials->expires_ms - skew_ms),
                   (long long)credentials->expires_ms);
    json_append_member(&content, "Key", slice_text(cache->key));
    json_append_member(&content, "AccessKeyId", slice_text(credentials->access_key));
    json_append_member(&content, "SecretAccessKey", secret_expose(credentials->secret_key));
    json_append_member(&content, "SessionToken", secret_expose(credentials->session_token));
    json_append_member(&content, "Arn", slice_text(session->arn));
    json_append_member(&content, "AssumedRoleId", slice_text(session->id));
    buffer_append_text(&content, "}\n");
    if (!buffer_check(&content, "the session", err)) {
        return false;
    }
    if (ftruncate(cache->fd, 0) != 0 || lseek(cache->fd, 0, SEEK_SET) != 0) {
        return error_errno(err, errno, "cannot empty the cache's file");
    }
    if (!files_write_fd(cache->fd, "the cache's file", buffer_slice(&content), err)) {
        // Half of it is not whole JSON, so nobody will take it; but it need not stay.
        (void)!ftruncate(cache->fd, 0);
        return false;
    }
    return true;
}
