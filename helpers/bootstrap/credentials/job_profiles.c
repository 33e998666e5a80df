// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/job_profiles.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "bootstrap/credentials/job_session.h"
#include "bootstrap/credentials/session_tags.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"

static const size_t LARGEST_CONFIG = (size_t)1 << 20;
#define CONFIG "config"
#define CREDENTIALS "credentials"
#define TOKENS "id-tokens"

static bool make_folder(const char *path, struct error *err) {
    return mkdir(path, 0700) == 0 || error_errno(err, errno, "cannot make %s", path);
}

static bool write_file(const char *folder, const char *name, struct slice content,
                       struct error *err) {
    cleanup_free char *path = xasprintf("%s/%s", folder, name);
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_errno(err, errno, "cannot make %s", path);
    }
    return files_write_fd(fd, path, content, err);
}

/// Each token once, though several accounts may go by it. A job without one has no file: whoever
/// looks for it says its name.
static bool write_tokens(const struct job_profiles *profiles, const struct job *job,
                         const char *folder, struct error *err) {
    const struct accounts *accounts = profiles->accounts;
    for (size_t i = 0; i < accounts->count; i++) {
        const char *name = accounts->list[i].id_token;
        bool seen = !name;
        for (size_t j = 0; j < i && !seen; j++) {
            const char *before = accounts->list[j].id_token;
            seen = before && strcmp(before, name) == 0;
        }
        const struct secret *token = seen ? NULL : job_tokens_find(&job->tokens, name);
        if (token && !write_file(folder, name, secret_expose(token), err)) {
            return false;
        }
    }
    return true;
}

static bool write_config(const struct job_profiles *profiles, const struct job *job,
                         const char *token_folder, struct error *err) {
    cleanup_free char *session_name = session_name_of(&job->identity);
    const struct accounts_profile profile = {
        .region = profiles->region,
        .credential_source = profiles->credential_source,
        .session_name = session_name,
        .duration_seconds = job_session_seconds(profiles->clock, profiles->deadline_ms),
        .token_folder = token_folder,
    };
    cleanup_buffer struct buffer text = BUFFER_INIT(LARGEST_CONFIG);
    return accounts_print(profiles->accounts, &profile, &text, err) &&
           write_file(profiles->folder, CONFIG, buffer_slice(&text), err);
}

bool job_profiles_write(const struct job_profiles *profiles, const struct job *job,
                        struct error *err) {
    cleanup_free char *token_folder = xasprintf("%s/" TOKENS, profiles->folder);
    return make_folder(profiles->folder, err) && make_folder(token_folder, err) &&
           write_tokens(profiles, job, token_folder, err) &&
           write_file(profiles->folder, CREDENTIALS, SLICE(""), err) &&
           write_config(profiles, job, token_folder, err);
}

void job_profiles_set_environment(const struct job_profiles *profiles,
                                  struct environment *environment) {
    cleanup_free char *config = xasprintf("%s/" CONFIG, profiles->folder);
    cleanup_free char *credentials = xasprintf("%s/" CREDENTIALS, profiles->folder);
    environment_set_text(environment, "AWS_CONFIG_FILE", config);
    environment_set_text(environment, "AWS_SHARED_CREDENTIALS_FILE", credentials);
    const char *endpoint = environment_get(environment, "AWS_ENDPOINT_URL");
    if (endpoint && !environment_get(environment, "AWS_ENDPOINT_URL_STS")) {
        // The Go SDK, and so Terraform, does not ask AWS_ENDPOINT_URL for the role of a profile.
        cleanup_free char *same = xstrdup(endpoint);
        environment_set_text(environment, "AWS_ENDPOINT_URL_STS", same);
    }
    if (accounts_have_other_region(profiles->accounts, profiles->region)) {
        environment_unset(environment, "AWS_REGION");
        environment_unset(environment, "AWS_DEFAULT_REGION");
    }
}
