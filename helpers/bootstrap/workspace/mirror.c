// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/error_types.h"
#include "bootstrap/workspace/mirror_manifest.h"
#include "bootstrap/workspace/mirror_unpack.h"
#include "bootstrap/workspace/workspace.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/s3.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/digest.h"
#include "common/system/files.h"

struct mirror {
    struct mirror_options options;
    /// ROOT/runlet and in it the mirror, or the source's folder.
    char *parent;
    char *folder;
    /// What was unpacked; empty where nothing good is there.
    struct mirror_manifest manifest;
};

/// What a fetch took.
struct fetch {
    int64_t began_ms;
    int64_t downloaded_ms;
    int64_t unpacked_ms;
    int64_t zip_size;
    int64_t size;
};

struct mirror *mirror_new(const struct mirror_options *options) {
    const struct mirror_source *source = options->source;
    if (!source->folder && !source->bucket) {
        return NULL;
    }
    struct mirror *mirror = xcalloc(1, sizeof(*mirror));
    mirror->options = *options;
    mirror->parent = xasprintf("%s/" WORKSPACE_PARENT, options->root);
    mirror->folder = source->folder ? xstrdup(source->folder)
                                    : xasprintf("%s/" WORKSPACE_PROVIDERS, mirror->parent);
    return mirror;
}

void mirror_destroy(struct mirror *mirror) {
    if (mirror) {
        mirror_manifest_clean_up(&mirror->manifest);
        free(mirror->parent);
        free(mirror->folder);
        free(mirror);
    }
}

const char *mirror_folder(const struct mirror *mirror) {
    return mirror ? mirror->folder : NULL;
}

bool mirror_is_kept(const struct mirror *mirror) {
    return mirror && mirror->manifest.count > 0;
}

// --- Check ---------------------------------------------------------------------------------------

static int64_t now_ms(void) {
    return clock_monotonic_ms(clock_system());
}

/// Opens a folder that is no link; `parent` may be AT_FDCWD.
static int open_folder(int parent, const char *name) {
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/// Opens the mirror itself; -1, with the code "changed", where it is no folder that can be read.
static int open_mirror(const struct mirror *mirror, struct error *err) {
    cleanup_close int parent = open_folder(AT_FDCWD, mirror->parent);
    const int folder = parent < 0 ? -1 : open_folder(parent, WORKSPACE_PROVIDERS);
    if (folder < 0) {
        error_set(err, "changed", "it is not a folder any more");
    }
    return folder;
}

static void warn_of_change(const struct error *err) {
    log_warn("the provider mirror was changed, and is fetched anew", LOG_ERROR_FIELDS(err));
}

void mirror_look_after(struct mirror *mirror) {
    if (!mirror_is_kept(mirror)) {
        return;
    }
    struct error err;
    cleanup_close int folder = open_mirror(mirror, &err);
    if (folder < 0 || !mirror_manifest_fits(&mirror->manifest, folder, &err)) {
        warn_of_change(&err);
        mirror_manifest_clean_up(&mirror->manifest);
    }
}

/// True where the mirror is as it was unpacked. Fails with "timeout" or "changed".
static bool check(struct mirror *mirror, int64_t deadline_ms, struct error *err) {
    cleanup_close int folder = open_mirror(mirror, err);
    if (folder < 0) {
        return false;
    }
    const int64_t began_ms = now_ms();
    if (!mirror_manifest_verify(&mirror->manifest, folder, deadline_ms, err)) {
        return error_is(err, "timeout") ? false : error_set(err, "changed", "%s", err->message);
    }
    log_info("the provider mirror is as it was", log_int("checkMs", now_ms() - began_ms));
    return true;
}

// --- Fetch ---------------------------------------------------------------------------------------

/// The error as one of Lambda's types, with what to do about it.
static bool explain(const struct mirror *mirror, struct error *err) {
    static const struct {
        const char *code;
        const char *type;
        const char *advice;
    } table[] = {
        {"AccessDenied", ERROR_CONFIG_INVALID,
         ": the function's role needs s3:GetObject on it, and kms:Decrypt where a key of your own "
         "encrypts it; of an object that is not there S3 says the same to who may not list the "
         "bucket"},
        {"NotFound", ERROR_CONFIG_INVALID, ": there is no such bucket, or no such object in it"},
        {"WrongRegion", ERROR_CONFIG_INVALID, ": the bucket is not in the function's region"},
        {"no_space", ERROR_CONFIG_INVALID, ""},
        {"zip", ERROR_CONFIG_INVALID, ": pack it with layer-packer"},
        {"too_many", ERROR_CONFIG_INVALID, ""},
        {"sha256", ERROR_CONFIG_INVALID, ""},
        {"region", ERROR_CONFIG_INVALID, ""},
    };
    const struct mirror_source *source = mirror->options.source;
    const char *type = ERROR_MIRROR_UNAVAILABLE;
    const char *advice = "";
    if (error_is(err, ERROR_WORKSPACE_DIRTY)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
        if (error_is(err, table[i].code)) {
            type = table[i].type;
            advice = table[i].advice;
        }
    }
    return error_set(err, type, "RUNLET_PROVIDER_MIRROR: cannot take s3://%s/%s: %s%s",
                     source->bucket, source->key, err->message, advice);
}

static bool download(const struct mirror *mirror, int zip, int64_t deadline_ms, struct error *err) {
    const struct mirror_source *source = mirror->options.source;
    const struct aws_s3_object object = {source->bucket, source->key};
    const struct http_download to = {.fd = zip, .max_size = MIRROR_MOST_BYTES};
    cleanup_function_aws_call struct function_aws_call call = {0};
    const bool done =
        function_aws_begin(mirror->options.aws, 0, &call, err) &&
        aws_s3_download(call.client, call.credentials, &object, &to, deadline_ms, err);
    if (!done && err->errnum == ENOSPC) {
        return error_set(err, "no_space",
                         "/tmp has no room for the zip: set the function's ephemeral_storage to "
                         "the size of the zip, of its files, and of what jobs need");
    }
    return done;
}

static bool check_hash(const struct mirror *mirror, int zip, struct error *err) {
    unsigned char digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    if (!digest_fd(zip, "the zip", digest, err)) {
        return false;
    }
    digest_hex(digest, hex);
    return strcmp(hex, mirror->options.source->sha256) == 0 ||
           error_set(err, "sha256",
                     "its SHA-256 is %s, and RUNLET_PROVIDER_MIRROR_SHA256 is %s: nothing of it "
                     "was unpacked",
                     hex, mirror->options.source->sha256);
}

/// A file without a name in the folder: it is gone when it is closed.
static int make_zip(int parent, struct error *err) {
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    cleanup_close int fd = openat(parent, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || unlinkat(parent, name, 0) != 0) {
        error_errno(err, errno, "cannot make a file for the zip");
        return -1;
    }
    return steal_fd(&fd);
}

static bool fetch_into(struct mirror *mirror, int parent, int64_t deadline_ms, struct fetch *fetch,
                       struct error *err) {
    cleanup_close int zip = make_zip(parent, err);
    if (zip < 0 || !download(mirror, zip, deadline_ms, err)) {
        return false;
    }
    struct stat status;
    fetch->zip_size = fstat(zip, &status) == 0 ? (int64_t)status.st_size : 0;
    if (!check_hash(mirror, zip, err)) {
        return false;
    }
    fetch->downloaded_ms = now_ms();
    if (mkdirat(parent, WORKSPACE_PROVIDERS, 0700) != 0) {
        return error_errno(err, errno, "cannot make %s", mirror->folder);
    }
    cleanup_close int folder = open_folder(parent, WORKSPACE_PROVIDERS);
    return folder < 0
               ? error_errno(err, errno, "cannot open %s", mirror->folder)
               : mirror_unpack(zip, folder, deadline_ms, &mirror->manifest, &fetch->size, err);
}

static void tell(const struct mirror *mirror, const struct fetch *fetch) {
    const char *function = mirror->options.function_name;
    const int64_t download_ms = fetch->downloaded_ms - fetch->began_ms;
    const int64_t unpack_ms = fetch->unpacked_ms - fetch->downloaded_ms;
    log_info("the provider mirror was fetched", log_int("downloadMs", download_ms),
             log_int("unpackMs", unpack_ms), log_int("zipBytes", fetch->zip_size),
             log_int("bytes", fetch->size), log_int("entries", (int64_t)mirror->manifest.count));
    const struct log_dimension dimension = {"FunctionName", function ? function : "unknown"};
    const struct log_metric metrics[] = {
        {"MirrorFetchTime", "Milliseconds", (double)(download_ms + unpack_ms)},
        {"MirrorSize", "Bytes", (double)fetch->size},
    };
    log_metrics("Runlet", &dimension, 1, metrics, ARRAY_LENGTH(metrics));
}

static bool fetch_anew(struct mirror *mirror, int64_t deadline_ms, struct error *err) {
    const char *root = mirror->options.root;
    struct fetch fetch = {.began_ms = now_ms()};
    mirror_manifest_clean_up(&mirror->manifest);
    if (!workspace_empty(root, BUDGET_CLEAN_LIMIT_MS, err)) {
        return false;
    }
    if (mkdir(mirror->parent, 0700) != 0) {
        return error_errno(err, errno, "cannot make %s", mirror->parent);
    }
    cleanup_close int parent = open_folder(AT_FDCWD, mirror->parent);
    if (parent < 0) {
        return error_errno(err, errno, "cannot open %s", mirror->parent);
    }
    if (!fetch_into(mirror, parent, deadline_ms, &fetch, err)) {
        mirror_manifest_clean_up(&mirror->manifest);
        struct error dirty;
        if (!workspace_empty(root, BUDGET_CLEAN_LIMIT_MS, &dirty)) {
            *err = dirty;
        }
        return false;
    }
    fetch.unpacked_ms = now_ms();
    tell(mirror, &fetch);
    return true;
}

static bool check_source_folder(const struct mirror *mirror, struct error *err) {
    struct stat status;
    if (stat(mirror->folder, &status) != 0 || access(mirror->folder, R_OK | X_OK) != 0) {
        error_errno(err, errno, "cannot read %s", mirror->folder);
        return error_set(err, ERROR_MIRROR_UNAVAILABLE,
                         "RUNLET_PROVIDER_MIRROR: %s: is the file system mounted there, and does "
                         "its access point let uid %u read?",
                         err->message, (unsigned)geteuid());
    }
    return S_ISDIR(status.st_mode) ||
           error_set(err, ERROR_CONFIG_INVALID, "RUNLET_PROVIDER_MIRROR: %s is not a folder",
                     mirror->folder);
}

bool mirror_prepare(struct mirror *mirror, int64_t deadline_ms, struct error *err) {
    if (mirror->options.source->folder) {
        return check_source_folder(mirror, err);
    }
    if (mirror_is_kept(mirror)) {
        if (check(mirror, deadline_ms, err)) {
            return true;
        }
        if (error_is(err, "timeout")) {
            return explain(mirror, err);
        }
        warn_of_change(err);
    }
    return fetch_anew(mirror, deadline_ms, err) || explain(mirror, err);
}
