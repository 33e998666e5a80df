// SPDX-License-Identifier: Apache-2.0
/// credential_process: keys that another program prints.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/aws/chain/provider.h"
#include "common/aws/chain/words.h"
#include "common/byte.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/system/environment.h"
#include "common/system/process.h"

enum {
    /// What a process may say on stderr in all, and what of it is shown.
    LARGEST_COMPLAINT = 1 << 20,
    COMPLAINT_STEP = 4096,
    COMPLAINT_SHOWN = 400,
    TIME_LIMIT_MS = 60000,
};

/// The profiles whose processes are at work above us, each between newlines. So a process that
/// comes back to us by way of a script does not go round for ever.
static const char PROFILES_ABOVE[] = "RUNLET_CREDENTIAL_PROCESS_PROFILES";

static bool is_same_file(const char *path, const char *other) {
    struct stat a;
    struct stat b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/// Whether the program, found as a process would be, is this one.
static bool is_own_program(const struct chain *chain, const char *program) {
    const char *own = chain->program->path;
    cleanup_free char *path = process_find(program, environment_value("PATH"));
    return own && path && is_same_file(path, own);
}

static bool is_above(const struct profile *profile) {
    cleanup_free char *mark = xasprintf("\n%s\n", profile->name);
    const char *above = environment_value(PROFILES_ABOVE);
    return above && strstr(above, mark);
}

static void make_environment(const struct profile *profile, struct environment *environment) {
    static const char *const all[] = {"*", NULL};
    environment_inherit(environment, all);
    const char *above = environment_value(PROFILES_ABOVE);
    cleanup_free char *profiles = xasprintf("%s%s\n", above ? above : "\n", profile->name);
    environment_set_text(environment, PROFILES_ABOVE, profiles);
}

/// A pipe that holds what the process says until it is over, and blocks nobody where it is full.
static bool open_complaint(int *read_fd, int *write_fd, struct error *err) {
    int fds[2] = {-1, -1};
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_errno(err, errno, "cannot keep the process's messages");
    }
    *read_fd = fds[0];
    *write_fd = fds[1];
    (void)fcntl(*write_fd, F_SETPIPE_SZ, LARGEST_COMPLAINT); // It may be less.
    return true;
}

/// What it said, on one line: the end of it, where programs say what went wrong.
static void append_complaint(int fd, struct buffer *out) {
    cleanup_buffer struct buffer said = BUFFER_INIT(LARGEST_COMPLAINT + COMPLAINT_STEP);
    char *room = NULL;
    ssize_t got = 0;
    while ((room = buffer_reserve(&said, COMPLAINT_STEP)) &&
           (got = read(fd, room, COMPLAINT_STEP)) > 0) {
        buffer_commit(&said, (size_t)got);
    }
    struct slice rest = slice_trim(buffer_slice(&said));
    rest = slice_skip(rest, rest.len > COMPLAINT_SHOWN ? rest.len - COMPLAINT_SHOWN : 0);
    for (size_t i = 0; i < rest.len; i++) {
        const char byte = rest.data[i];
        buffer_append_byte(out, byte_is_control(byte) ? ' ' : byte);
    }
}

static bool check_end(const struct process_exit *end, int complaint, struct error *err) {
    if (end->code == 0) {
        return true;
    }
    cleanup_buffer struct buffer said = BUFFER_INIT(COMPLAINT_SHOWN + 1);
    append_complaint(complaint, &said);
    cleanup_free char *how = end->signal != 0 ? xasprintf("signal %d ended it", end->signal)
                                              : xasprintf("it ended with status %d", end->code);
    return error_set(err, "process", "%s%s%s", how, said.len > 0 ? ": " : "", buffer_text(&said));
}

static bool check_version(struct slice output, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    int64_t version = 0;
    if (!json_parse(output, "its output", &document, err) ||
        !json_get_integer(&document.root, "Version", &version, err)) {
        return false;
    }
    return version == 1 || error_set(err, "process", "its output has Version %lld, only 1 is known",
                                     (long long)version);
}

static bool run(struct chain *chain, const struct profile *profile, const struct words *words,
                struct aws_credentials *credentials, struct error *err) {
    cleanup_environment struct environment environment = {0};
    make_environment(profile, &environment);
    cleanup_close int complaint = -1;
    cleanup_close int stderr_fd = -1;
    if (!open_complaint(&complaint, &stderr_fd, err)) {
        return false;
    }
    struct process_options options =
        process_options((const char *const *)words->items, &environment);
    options.stderr_fd = stderr_fd;
    options.die_with_parent = true;
    cleanup_buffer struct buffer output = BUFFER_INIT_SENSITIVE(PROVIDER_LARGEST_ANSWER);
    struct process_exit end = {0};
    const int64_t limit_ms = provider_left_ms(chain, TIME_LIMIT_MS);
    return process_run(&options, limit_ms, &output, &end, err) && check_end(&end, complaint, err) &&
           check_version(buffer_slice(&output), err) &&
           provider_read_json(chain, buffer_slice(&output), "its output", "process", "SessionToken",
                              credentials, err);
}

enum provider_result provider_process(struct chain *chain, const struct profile *profile,
                                      struct chain_found *found, struct error *err) {
    const char *command = profile_get(profile, "credential_process");
    if (!command) {
        return PROVIDER_SKIPPED;
    }
    cleanup_words struct words words = {0};
    cleanup_aws_credentials struct aws_credentials credentials = {0};
    bool good = words_split(slice_text(command), &words, err);
    if (good && (words.count == 0 || words.items[0][0] == '\0')) {
        good = error_set(err, "process", "it names no program");
    }
    if (good && (is_own_program(chain, words.items[0]) || is_above(profile))) {
        provider_note(chain,
                      "credential_process of profile %.128s (skipped, as it starts this program "
                      "again)",
                      profile->name);
        return PROVIDER_SKIPPED;
    }
    good = good && run(chain, profile, &words, &credentials, err);
    if (!good) {
        // The command itself is not shown: its arguments may be secrets.
        error_prefix(err, "profile %s: credential_process", profile->name);
        return PROVIDER_FAILED;
    }
    provider_take(found, &credentials, "profile %s (credential_process)", profile->name);
    return PROVIDER_FOUND;
}
