// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/settings/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "bootstrap/settings/forms.h"
#include "bootstrap/settings/runner_args.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/json.h"
#include "common/log.h"

#define CONFIG_INVALID "Runtime.ConfigInvalid"
enum { SHOWN_BYTES = 100 };

/// How much of a value a message may show.
enum shown {
    SHOWN,
    /// It may hold a password or a token.
    HIDDEN,
};

struct row {
    const char *name;
    const char *form;
    enum shown shown;
    bool (*read)(struct settings *settings, struct slice value, struct error *err);
};

// --- Readers: each fails with the flaw alone ---------------------------------------------------

static bool read_seconds(struct slice value, int64_t min, int64_t max, int64_t *ms,
                         struct error *err) {
    int64_t seconds = 0;
    if (!form_integer(value, min, max, &seconds, err)) {
        return false;
    }
    *ms = seconds * 1000;
    return true;
}

static bool read_concurrency(struct settings *settings, struct slice value, struct error *err) {
    (void)settings;
    int64_t concurrency = 0;
    if (!form_integer(value, INT64_MIN, INT64_MAX, &concurrency, err)) {
        return false;
    }
    return concurrency <= 1 ||
           error_set(err, "form",
                     "is more than one: jobs of concurrent invocations would share one /tmp, one "
                     "user and one network");
}

static bool read_server_url(struct settings *settings, struct slice value, struct error *err) {
    struct form_url url;
    if (!form_server_url(value, &url, err)) {
        return false;
    }
    settings->server_url = url.url;
    settings->server_host = url.host;
    settings->server_port = url.port;
    settings->server_is_plain_and_remote = !url.https && !http_url_is_loopback(url.url);
    return true;
}

static bool read_ca_file(struct settings *settings, struct slice value, struct error *err) {
    settings->ca_file = slice_copy(value);
    return form_ca_file(value, err);
}

static bool read_runner_name(struct settings *settings, struct slice value, struct error *err) {
    settings->runner_name = slice_copy(value);
    return form_name(value, err);
}

static bool read_secret_arn(struct settings *settings, struct slice value, struct error *err) {
    settings->token_location = TOKEN_IN_SECRET;
    settings->token_source = slice_copy(value);
    return form_arn(value, "secretsmanager", true, "secret:", err);
}

static bool read_parameter(struct settings *settings, struct slice value, struct error *err) {
    if (settings->token_source) {
        return error_set(err, "form", "is set beside RUNLET_TOKEN_SECRET_ARN: only one may be");
    }
    settings->token_location = TOKEN_IN_PARAMETER;
    settings->token_source = slice_copy(value);
    return form_parameter(value, err);
}

static bool read_token(struct settings *settings, struct slice value, struct error *err) {
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~') {
            return error_set(err, "form", "has a blank or another character that no token has");
        }
    }
    if (!settings->token_source) {
        settings->token_location = TOKEN_IN_ENVIRONMENT;
        settings->token = secret_new(value);
    }
    return true;
}

static bool read_wait_timeout(struct settings *settings, struct slice value, struct error *err) {
    return read_seconds(value, 1, 3600, &settings->wait_timeout_ms, err);
}

static bool read_max_jobs(struct settings *settings, struct slice value, struct error *err) {
    int64_t count = 0;
    if (!form_integer(value, 1, 100, &count, err)) {
        return false;
    }
    settings->max_jobs = (unsigned)count;
    return true;
}

static bool read_margin(struct settings *settings, struct slice value, struct error *err) {
    return read_seconds(value, 8, 300, &settings->deadline_margin_ms, err);
}

static bool read_min_job_time(struct settings *settings, struct slice value, struct error *err) {
    return read_seconds(value, 0, 3600, &settings->min_job_time_ms, err);
}

static bool read_credentials(struct settings *settings, struct slice value, struct error *err) {
    static const char *const words[] = {
        [JOB_CREDENTIALS_NONE] = "none",
        [JOB_CREDENTIALS_ROLE] = "role",
        [JOB_CREDENTIALS_INHERIT] = "inherit",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (slice_equal_text(value, words[i])) {
            settings->job_credentials = (enum job_credentials)i;
            return true;
        }
    }
    return error_set(err, "form", "is none of the three words");
}

static bool read_role_arn(struct settings *settings, struct slice value, struct error *err) {
    settings->job_role_arn = slice_copy(value);
    return form_role_arn(value, err);
}

static bool read_session_identity(struct settings *settings, struct slice value,
                                  struct error *err) {
    return form_boolean(value, &settings->session_identity, err);
}

static bool read_audience(struct settings *settings, struct slice value, struct error *err) {
    settings->id_token_audience = slice_copy(value);
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~' || value.data[i] == '"') {
            return error_set(err, "form", "has a blank, a quote or another character than ASCII's");
        }
    }
    return value.len <= 255 || error_set(err, "form", "is longer than 255 characters");
}

static bool read_accounts_parameter(struct settings *settings, struct slice value,
                                    struct error *err) {
    settings->accounts_parameter = slice_copy(value);
    return form_parameter(value, err);
}

static bool read_mirror(struct settings *settings, struct slice value, struct error *err) {
    return mirror_source_read(value, &settings->mirror, err);
}

static bool read_mirror_sha256(struct settings *settings, struct slice value, struct error *err) {
    return mirror_source_read_sha256(value, &settings->mirror, err);
}

static bool read_runner_args(struct settings *settings, struct slice value, struct error *err) {
    settings->runner_args = runner_args_parse(value, err);
    return settings->runner_args != NULL;
}

static bool read_extra_hosts(struct settings *settings, struct slice value, struct error *err) {
    return form_hosts(value, &settings->extra_hosts, &settings->extra_host_count, err);
}

static bool read_fresh(struct settings *settings, struct slice value, struct error *err) {
    return form_boolean(value, &settings->fresh_environment, err);
}

/// In this order: what is read first may matter to what follows.
static const struct row rows[] = {
    {"AWS_LAMBDA_MAX_CONCURRENCY", "1, or unset", SHOWN, read_concurrency},
    {"CI_SERVER_URL", "the address of GitLab, as in https://gitlab.example.com", SHOWN,
     read_server_url},
    {"CI_SERVER_TLS_CA_FILE", "the absolute path of a readable file of certificates in PEM", SHOWN,
     read_ca_file},
    {"RUNNER_NAME", "a name of at most 255 bytes on one line", SHOWN, read_runner_name},
    {"RUNLET_TOKEN_SECRET_ARN",
     "the ARN of a secret, as in arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME", SHOWN,
     read_secret_arn},
    {"RUNLET_TOKEN_PARAMETER", "the name of an SSM parameter, as in /runlet/runner-token", SHOWN,
     read_parameter},
    {"CI_SERVER_TOKEN", "a runner authentication token", HIDDEN, read_token},
    {"RUNLET_WAIT_TIMEOUT", "seconds as a whole number from 1 to 3600", SHOWN, read_wait_timeout},
    {"RUNLET_MAX_JOBS", "a whole number from 1 to 100", SHOWN, read_max_jobs},
    {"RUNLET_DEADLINE_MARGIN", "seconds as a whole number from 8 to 300", SHOWN, read_margin},
    {"RUNLET_MIN_JOB_TIME", "seconds as a whole number from 0 to 3600", SHOWN, read_min_job_time},
    {"RUNLET_JOB_CREDENTIALS", "none, role or inherit", SHOWN, read_credentials},
    {"RUNLET_JOB_ROLE_ARN", "the ARN of a role, as in arn:aws:iam::ACCOUNT:role/NAME", SHOWN,
     read_role_arn},
    {"RUNLET_JOB_SESSION_IDENTITY", "true or false", SHOWN, read_session_identity},
    {"RUNLET_ID_TOKEN_AUDIENCE",
     "the aud of id_tokens for this runner, as in https://runlet.example", SHOWN, read_audience},
    {"RUNLET_ACCOUNTS_PARAMETER", "the name of an SSM parameter, as in /runlet/accounts", SHOWN,
     read_accounts_parameter},
    {"RUNLET_PROVIDER_MIRROR",
     "an absolute path outside of /tmp, or s3://BUCKET/KEY of a zip that layer-packer made", SHOWN,
     read_mirror},
    {"RUNLET_PROVIDER_MIRROR_SHA256", "the SHA-256 of the zip in S3, in 64 hexadecimal digits",
     SHOWN, read_mirror_sha256},
    {"RUNLET_RUNNER_ARGS", "a JSON array of arguments for gitlab-runner run-single, each a string",
     HIDDEN, read_runner_args},
    {"RUNLET_EXTRA_HOSTS",
     "a JSON object of names and IP addresses, as in {\"gitlab.example.com\": [\"10.0.0.7\"]}",
     SHOWN, read_extra_hosts},
    {"RUNLET_FRESH_ENVIRONMENT", "true or false", SHOWN, read_fresh},
};
#define ROW_COUNT ARRAY_LENGTH(rows)

// --- Messages --------------------------------------------------------------------------------

static bool looks_secret(struct slice value) {
    cleanup_free char *text = slice_copy(value);
    return strstr(text, "glrt-") || strstr(text, "glpat-") || strchr(text, '@');
}

/// Fails with `NAME is "value": flaw; expected form`.
static bool invalid(const struct row *row, struct slice value, const char *flaw,
                    struct error *err) {
    cleanup_buffer struct buffer message = BUFFER_INIT(ERROR_MESSAGE_SIZE * 2);
    buffer_append_text(&message, row->name);
    if (row->shown == SHOWN && value.len > 0 && !looks_secret(value)) {
        bool cut = value.len > SHOWN_BYTES;
        buffer_append_text(&message, " is ");
        json_append_string(&message, slice_make(value.data, cut ? SHOWN_BYTES : value.len));
        buffer_append_text(&message, cut ? "...: " : ": ");
    } else {
        buffer_append_text(&message, " ");
    }
    buffer_appendf(&message, "%s; expected %s", flaw, row->form);
    return error_set(err, CONFIG_INVALID, "%s", buffer_text(&message));
}

static const struct row *find_row(const char *name) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool missing(const char *name, const char *why, struct error *err) {
    const struct row *row = find_row(name);
    return row ? invalid(row, SLICE(""), why, err)
               : error_set(err, CONFIG_INVALID, "%s %s", name, why);
}

// --- Secrets in the environment ----------------------------------------------------------------

/// Overwrites a variable's value where it lies and removes the variable: who reads the memory of
/// the environment finds nothing.
static void scrub(const char *name) {
    char *value = getenv(name);
    if (value) {
        explicit_bzero(value, strlen(value));
        unsetenv(name);
    }
}

static void take_credentials(struct settings *settings) {
    struct error none;
    if (!aws_credentials_from_environment(&settings->credentials, &none)) {
        // Only who reads the token from AWS needs keys; it says so then.
        settings->credentials = (struct aws_credentials){0};
    }
    scrub("AWS_ACCESS_KEY_ID");
    scrub("AWS_SECRET_ACCESS_KEY");
    scrub("AWS_SESSION_TOKEN");
    scrub("AWS_SECURITY_TOKEN");
    scrub("AWS_CONTAINER_AUTHORIZATION_TOKEN");
}

// --- Loading -----------------------------------------------------------------------------------

static bool read_row(struct settings *settings, const struct row *row, struct error *err) {
    const char *text = getenv(row->name);
    if (!text) {
        return true;
    }
    struct slice value = slice_text(text);
    struct error flaw;
    if (value.len == 0) {
        return invalid(row, value, "is empty", err);
    }
    if (!row->read(settings, value, &flaw)) {
        return invalid(row, value, flaw.message, err);
    }
    return true;
}

static bool check_mirror(const struct mirror_source *mirror, struct error *err) {
    if (mirror->bucket && !mirror->sha256) {
        return missing("RUNLET_PROVIDER_MIRROR_SHA256",
                       "is not set, but RUNLET_PROVIDER_MIRROR is in S3", err);
    }
    if (mirror->sha256 && !mirror->bucket) {
        return missing("RUNLET_PROVIDER_MIRROR_SHA256",
                       "is set, but RUNLET_PROVIDER_MIRROR is not in S3", err);
    }
    return true;
}

static bool check_together(const struct settings *settings, struct error *err) {
    if (!settings->server_url) {
        return missing("CI_SERVER_URL", "is not set", err);
    }
    if (!settings->token_source && !settings->token) {
        return error_set(
            err, CONFIG_INVALID,
            "RUNLET_TOKEN_SECRET_ARN is not set, and neither is RUNLET_TOKEN_PARAMETER; "
            "expected one of them, to say where the runner token is");
    }
    if (settings->job_credentials == JOB_CREDENTIALS_ROLE && !settings->job_role_arn) {
        return missing("RUNLET_JOB_ROLE_ARN", "is not set, but RUNLET_JOB_CREDENTIALS is \"role\"",
                       err);
    }
    return check_mirror(&settings->mirror, err);
}

static void warn_of_unknown(void) {
    for (char **entry = environ; entry && *entry; entry++) {
        struct slice variable = slice_text(*entry);
        if (!slice_starts_with(variable, SLICE("RUNLET_"))) {
            continue;
        }
        cleanup_free char *name = slice_copy(slice_make(variable.data, slice_find(variable, '=')));
        if (!find_row(name)) {
            log_warn("a setting is not known and has no effect", log_text("variable", name));
        }
    }
}

static void set_defaults(struct settings *settings) {
    const char *function = getenv("AWS_LAMBDA_FUNCTION_NAME");
    const char *region = getenv("AWS_REGION");
    *settings = (struct settings){
        .wait_timeout_ms = 10000,
        .deadline_margin_ms = 15000,
        .min_job_time_ms = 10000,
        .max_jobs = 1,
        .job_credentials = JOB_CREDENTIALS_NONE,
        .session_identity = true,
        .function_name = function ? xstrdup(function) : NULL,
        .region = region ? xstrdup(region) : NULL,
    };
}

bool settings_load(struct settings *settings, struct error *err) {
    set_defaults(settings);
    take_credentials(settings);
    bool ok = true;
    for (size_t i = 0; i < ROW_COUNT && ok; i++) {
        ok = read_row(settings, &rows[i], err);
    }
    scrub("CI_SERVER_TOKEN");
    if (!ok || !check_together(settings, err)) {
        return false;
    }
    if (!settings->runner_name) {
        settings->runner_name =
            xstrdup(settings->function_name ? settings->function_name : "runlet");
    }
    if (!settings->runner_args) {
        settings->runner_args = xcalloc(1, sizeof(char *));
    }
    warn_of_unknown();
    return true;
}

void settings_clean_up(struct settings *settings) {
    free(settings->server_url);
    free(settings->server_host);
    free(settings->ca_file);
    free(settings->runner_name);
    free(settings->token_source);
    secret_destroy(settings->token);
    free(settings->job_role_arn);
    free(settings->id_token_audience);
    free(settings->accounts_parameter);
    mirror_source_clean_up(&settings->mirror);
    runner_args_destroy(settings->runner_args);
    form_hosts_destroy(settings->extra_hosts, settings->extra_host_count);
    free(settings->function_name);
    free(settings->region);
    aws_credentials_clean_up(&settings->credentials);
    *settings = (struct settings){0};
}

int settings_handler(const char *const *handlers, struct error *err) {
    const char *value = getenv("_HANDLER");
    cleanup_buffer struct buffer names = BUFFER_INIT(256);
    for (int i = 0; handlers[i]; i++) {
        if (value && strcmp(value, handlers[i]) == 0) {
            return i;
        }
        buffer_appendf(&names, "%s%s", i > 0 ? ", " : "", handlers[i]);
    }
    struct row row = {.name = "_HANDLER", .form = buffer_text(&names), .shown = SHOWN};
    invalid(&row, slice_text(value), value ? "is no handler of this runtime" : "is not set", err);
    return -1;
}
