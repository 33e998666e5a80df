// SPDX-License-Identifier: Apache-2.0
/// Does with secrets what the broker and the bootstrap do, releases everything, and looks for the
/// secrets in all of its own memory that can be written.
///
/// `no-copy FOLDER` reads "name value" lines from stdin: runner_token, function_key,
/// function_token, secret_key, session_token, job_token, id_token, variable. Each byte of a value
/// is masked and in hexadecimal, so that no copy is made by reading it; secret_key and
/// session_token are what the STS at AWS_ENDPOINT_URL will answer with. Prints a line "step secret
/// where" for each trace that is left, with the step "planted" for the copies that the program left
/// on purpose.
///
/// A secret counts as found where 16 bytes of it stand together: of memory that was freed, the
/// allocator overwrites a part.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bootstrap/credentials/function_aws.h"
#include "bootstrap/credentials/job_profiles.h"
#include "bootstrap/credentials/job_session.h"
#include "bootstrap/gitlab/job.h"
#include "bootstrap/gitlab/jwt.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

enum { MASK = 0x5a, PIECE = 16, LONGEST = 4096 };

enum name {
    RUNNER_TOKEN,
    FUNCTION_KEY,
    FUNCTION_TOKEN,
    SECRET_KEY,
    SESSION_TOKEN,
    JOB_TOKEN,
    ID_TOKEN,
    VARIABLE,
};
static const char *const names[] = {
    "runner_token",  "function_key", "function_token", "secret_key",
    "session_token", "job_token",    "id_token",       "variable",
};

/// Never as they are.
static struct {
    unsigned char masked[LONGEST];
    size_t len;
} secrets[ARRAY_LENGTH(names)];

static void check(bool good, const struct error *err) {
    if (!good) {
        (void)fprintf(stderr, "%s: %s\n", err->code, err->message);
        exit(EXIT_FAILURE);
    }
}

// --- Secrets -----------------------------------------------------------------------------------

static unsigned char digit(char c) {
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_secrets(void) {
    cleanup_free char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        struct slice hex = slice_trim(slice_text(line));
        struct slice name = {0};
        slice_split(&hex, ' ', &name);
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
            if (slice_equal_text(name, names[i])) {
                for (size_t at = 0; 2 * at + 1 < hex.len && at < LONGEST; at++) {
                    secrets[i].masked[secrets[i].len++] =
                        (unsigned char)(digit(hex.data[2 * at]) << 4 | digit(hex.data[2 * at + 1]));
                }
            }
        }
    }
}

static void append_secret(struct buffer *out, enum name name) {
    char *end = buffer_reserve(out, secrets[name].len);
    for (size_t i = 0; i < secrets[name].len; i++) {
        end[i] = (char)(secrets[name].masked[i] ^ MASK);
    }
    buffer_commit(out, secrets[name].len);
}

static struct secret *make_secret(enum name name) {
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(LONGEST);
    append_secret(&text, name);
    return secret_take(&text);
}

// --- The search --------------------------------------------------------------------------------

/// Compares without ever having the secret in one piece, not even on the stack.
static bool is_piece(const volatile unsigned char *at, const unsigned char *masked) {
    size_t same = 0;
    while (same < PIECE && (at[same] ^ MASK) == masked[same]) {
        same++;
    }
    return same == PIECE;
}

static bool search(const unsigned char *start, size_t size, enum name name) {
    bool found = false;
    for (size_t piece = 0; piece + PIECE <= secrets[name].len; piece += PIECE) {
        const unsigned char *masked = secrets[name].masked + piece;
        for (size_t i = 0; i + PIECE <= size && !found; i++) {
            found = start[i] == (masked[0] ^ MASK) && is_piece(start + i, masked);
        }
    }
    return found;
}

struct region {
    uintptr_t start;
    uintptr_t end;
    char what[64];
};
static struct region regions[1000];

/// All that can be written: the heap, the stacks, static data, whatever is mapped. Takes no memory,
/// which would overwrite what was freed.
static size_t find_regions(void) {
    static char text[(size_t)256 << 10];
    cleanup_close int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got;
    while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    size_t count = 0;
    struct slice rest = slice_make(text, len);
    struct slice line;
    while (slice_split(&rest, '\n', &line) && count < ARRAY_LENGTH(regions)) {
        struct region *region = &regions[count];
        char rights[8];
        region->what[0] = '\0';
        const int fields = sscanf(line.data, "%lx-%lx %7s %*s %*s %*s%*[ ]%63[^\n]", &region->start,
                                  &region->end, rights, region->what);
        count += fields >= 3 && rights[0] == 'r' && rights[1] == 'w' ? 1U : 0U;
    }
    return count;
}

static void report(const char *step, enum name name) {
    const size_t count = find_regions();
    for (size_t i = 0; i < count; i++) {
        const struct region *region = &regions[i];
        if (search((const unsigned char *)region->start, region->end - region->start, name)) {
            printf("%s %s %s\n", step, names[name], region->what[0] ? region->what : "anonymous");
        }
    }
}

static void report_all(const char *step) {
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        report(step, (enum name)i);
    }
}

/// Shows that the search would find a copy on the heap, in memory that was freed, in static data
/// and below the stack.
static void plant(void) {
    static char data[LONGEST];
    struct buffer text = BUFFER_INIT_SENSITIVE(LONGEST);
    append_secret(&text, RUNNER_TOKEN);
    memcpy(data, text.data, text.len);
    buffer_clean_up(&text);
    report("planted-data", RUNNER_TOKEN);
    explicit_bzero(data, sizeof(data));
    report("wiped", RUNNER_TOKEN);

    struct buffer careless = BUFFER_INIT(LONGEST);
    append_secret(&careless, RUNNER_TOKEN);
    // The compiler must not see that nobody reads it again.
    char *volatile freed = careless.data;
    free(freed);
    report("planted-freed", RUNNER_TOKEN);
    append_secret(&text, RUNNER_TOKEN); // Takes the same memory again, and wipes it.
    buffer_clean_up(&text);
    report("wiped", RUNNER_TOKEN);
}

// --- The steps ---------------------------------------------------------------------------------

/// As the broker does, and with its buffers.
static void rewrite_job_request(void) {
    cleanup_secret struct secret *token = make_secret(RUNNER_TOKEN);
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(1 << 20);
    struct error err;
    check(job_request_rewrite(SLICE("{\"token\":\"placeholder\",\"info\":{\"name\":\"runner\"},"
                                    "\"last_update\":\"x\"}"),
                              "placeholder", token, "s_0123456789ab", true, &out, &err),
          &err);
}

static void append_variable(struct buffer *out, const char *key, enum name name) {
    buffer_appendf(out, "{\"key\":\"%s\",\"masked\":true,\"value\":\"", key);
    append_secret(out, name);
    buffer_append_text(out, "\"}");
}

static struct job *read_job(void) {
    cleanup_buffer struct buffer answer = BUFFER_INIT_SENSITIVE(1 << 20);
    struct error err;
    buffer_append_text(&answer, "{\"id\":41,\"token\":\"");
    append_secret(&answer, JOB_TOKEN);
    buffer_append_text(&answer,
                       "\",\"job_info\":{\"name\":\"job\",\"project_id\":7},\"variables\":[");
    append_variable(&answer, "AWS_ID_TOKEN", ID_TOKEN);
    buffer_append_byte(&answer, ',');
    append_variable(&answer, "PASSWORD", VARIABLE);
    buffer_append_text(&answer, "],\"dependencies\":[{\"id\":40,\"token\":\"");
    append_secret(&answer, JOB_TOKEN);
    buffer_append_text(&answer, "\"}]}");
    bool readable = false;
    struct job *job = job_parse(buffer_slice(&answer), &readable, &err);
    check(job && readable, &err);
    return job;
}

static void close_job(const struct job *job) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(1 << 20);
    const struct job_trace trace = job_trace_empty();
    struct error err;
    job_update_compose(job, "failed", "runner_system_failure", &trace, &out);
    cleanup_buffer struct buffer again = BUFFER_INIT_SENSITIVE(1 << 20);
    cleanup_job_update struct job_update update = {0};
    check(job_update_parse(buffer_slice(&out), &update, &err), &err);
    check(job_update_rewrite(buffer_slice(&out), &update, &trace, &again, &err), &err);
}

static void write_profiles(const struct job *job, const char *folder) {
    cleanup_accounts struct accounts accounts = {0};
    struct error err;
    check(accounts_parse(SLICE("{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:role/d\","
                               "\"id_token\":\"AWS_ID_TOKEN\"}}"),
                         &accounts, &err),
          &err);
    const struct job_profiles profiles = {
        .accounts = &accounts,
        .credential_source = "EcsContainer",
        .region = "eu-central-1",
        .folder = folder,
        .clock = clock_system(),
        .deadline_ms = clock_now_ms(clock_system()) + 600000,
    };
    check(job_profiles_write(&profiles, job, &err), &err);
    cleanup_jwt struct jwt jwt = {0};
    (void)jwt_parse(secret_expose(job_tokens_find(&job->tokens, "AWS_ID_TOKEN")), &jwt, &err);
}

/// What the container credentials endpoint answers with.
static void give_out_session(const struct job *job) {
    cleanup_aws_credentials struct aws_credentials credentials = {
        .access_key = xstrdup("AKIDEXAMPLE"),
        .secret_key = make_secret(FUNCTION_KEY),
        .session_token = make_secret(FUNCTION_TOKEN),
    };
    const struct function_aws_options function = {.credentials = &credentials,
                                                  .region = "eu-central-1"};
    struct function_aws *aws = function_aws_new(&function);
    const struct job_session_options options = {
        .aws = aws,
        .role_arn = "arn:aws:iam::123456789012:role/job",
        .identity = true,
        .deadline_ms = clock_now_ms(clock_system()) + 600000,
    };
    cleanup_job_session struct job_session *session = job_session_new(&options);
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(1 << 20);
    struct error err;
    check(job_session_print(session, job, 0, &out, &err), &err);
    cleanup_secret struct secret *expected = make_secret(SECRET_KEY);
    const struct slice key = secret_expose(expected);
    if (!memmem(out.data, out.len, key.data, key.len)) {
        (void)fprintf(stderr, "the answer does not hold the key\n");
        exit(EXIT_FAILURE);
    }
    function_aws_destroy(aws);
}

static void run_job(const char *folder) {
    struct job *job = read_job();
    write_profiles(job, folder);
    give_out_session(job);
    close_job(job);
    job_destroy(job);
}

int main(int argc, char **argv) {
    wipe_openssl();
    if (argc != 2) {
        (void)fprintf(stderr, "usage: no-copy FOLDER\n");
        return 2;
    }
    log_set_fd(STDERR_FILENO);
    read_secrets();
    report_all("before");
    plant();
    rewrite_job_request();
    report_all("request");
    run_job(argv[1]);
    report_all("job");
    return EXIT_SUCCESS;
}
