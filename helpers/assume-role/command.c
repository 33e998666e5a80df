// SPDX-License-Identifier: Apache-2.0
#include "assume-role/command.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/system/environment.h"

/// As shells have them.
enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/// What tells an SDK where to get credentials, or of which account they are. One that ends in "*"
/// stands for all that begin so.
static const char *const removed[] = {
    "AWS_ACCESS_KEY_ID",      "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",      "AWS_SECURITY_TOKEN",
    "AWS_ACCESS_KEY",         "AWS_SECRET_KEY",
    "AWS_DELEGATION_TOKEN",   "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION", "AWS_CREDENTIAL_FILE",
    "AWS_ACCOUNT_ID",         "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",  "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_*",        "AWS_BEARER_TOKEN_*",
};

static bool is_removed(struct slice name) {
    for (size_t i = 0; i < ARRAY_LENGTH(removed); i++) {
        const struct slice pattern = slice_text(removed[i]);
        const struct slice stem = slice_make(pattern.data, pattern.len - 1);
        if (slice_ends_with(pattern, SLICE("*")) ? slice_starts_with(name, stem)
                                                 : slice_equal(name, pattern)) {
            return true;
        }
    }
    return false;
}

static void make_environment(const struct aws_credentials *credentials, const char *region,
                             struct environment *environment) {
    for (char **entry = environ; entry && *entry; entry++) {
        const struct slice text = slice_text(*entry);
        const struct slice name = slice_make(text.data, slice_find(text, '='));
        if (name.len > 0 && name.len < text.len && !is_removed(name)) {
            cleanup_free char *key = slice_copy(name);
            environment_set(environment, key, slice_skip(text, name.len + 1));
        }
    }
    environment_set_text(environment, "AWS_ACCESS_KEY_ID", credentials->access_key);
    environment_set(environment, "AWS_SECRET_ACCESS_KEY", secret_expose(credentials->secret_key));
    if (credentials->session_token) {
        environment_set(environment, "AWS_SESSION_TOKEN",
                        secret_expose(credentials->session_token));
    }
    // It may have stood in the profile that is not named any more. The SDKs read either variable.
    if (!environment_value("AWS_REGION") && !environment_value("AWS_DEFAULT_REGION")) {
        environment_set_text(environment, "AWS_REGION", region);
        environment_set_text(environment, "AWS_DEFAULT_REGION", region);
    }
}

/// The path of a command as a shell finds it: of the files of that name in the folders of PATH the
/// first that can be run, else the first. NULL where there is none; to be released with free().
static char *find(const char *name) {
    if (strchr(name, '/')) {
        return xstrdup(name);
    }
    const char *path = environment_value("PATH");
    struct slice rest = slice_text(path ? path : "/usr/local/bin:/usr/bin:/bin");
    struct slice folder;
    cleanup_free char *found = NULL;
    while (slice_split(&rest, ':', &folder)) {
        cleanup_free char *file = xasprintf("%" SLICE_FORMAT "%s%s", SLICE_ARGUMENTS(folder),
                                            folder.len > 0 ? "/" : "", name);
        struct stat status;
        // In a folder that is closed to us there is nothing.
        if (stat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
            continue;
        }
        if (access(file, X_OK) == 0) {
            return steal_pointer(&file);
        }
        found = found ? found : steal_pointer(&file);
    }
    return steal_pointer(&found);
}

int command_exec(char *const *argv, const struct aws_credentials *credentials, const char *region) {
    cleanup_environment struct environment environment = {0};
    make_environment(credentials, region, &environment);
    cleanup_free char *path = find(argv[0]);
    struct error err;
    if (!path) {
        error_set(&err, "not_found", "%s: command not found", argv[0]);
        log_error(err.message);
        return EXIT_NOT_FOUND;
    }
    (void)execve(path, argv, environment_array(&environment));
    const int code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    error_errno(&err, errno, "cannot run %s", path);
    log_error(err.message);
    return code;
}
