// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/settings/settings.h"

#include <stdlib.h>

#include "bootstrap/settings/forms.h"
#include "bootstrap/settings/runner_args.h"
#include "bootstrap/settings/settings_table.h"
#include "common/alloc.h"
#include "common/array.h"

// --- Values --------------------------------------------------------------------------------------
// Each check fails with the flaw alone.

static bool read_concurrency(const struct setting *setting, struct slice value, void *member,
                             struct error *err) {
    (void)setting;
    (void)member;
    int64_t concurrency = 0;
    if (!form_integer(value, INT64_MIN, INT64_MAX, &concurrency, err)) {
        return false;
    }
    return concurrency <= 1 ||
           error_set(err, "form",
                     "is more than one: jobs of concurrent invocations would share one /tmp, one "
                     "user and one network");
}

static bool read_server(const struct setting *setting, struct slice value, void *member,
                        struct error *err) {
    struct settings *settings = member;
    struct form_url url;
    (void)setting;
    if (!form_server_url(value, &url, err)) {
        return false;
    }
    settings->server_url = url.url;
    settings->server_host = url.host;
    settings->server_port = url.port;
    settings->server_is_plain_and_remote = !url.https && !http_url_is_loopback(url.url);
    return true;
}

static bool check_secret_arn(struct slice value, struct error *err) {
    return form_arn(value, "secretsmanager", true, "secret:", err);
}

static bool read_token(const struct setting *setting, struct slice value, void *member,
                       struct error *err) {
    (void)setting;
    if (!slice_is_visible(value)) {
        return error_set(err, "form", "has a blank or another character that a token cannot have");
    }
    *(struct secret **)member = secret_new(value);
    return true;
}

static bool check_audience(struct slice value, struct error *err) {
    if (!slice_is_visible(value) || slice_find(value, '"') < value.len) {
        return error_set(err, "form", "has a blank, a quote or a character that is not ASCII");
    }
    return value.len <= 255 || error_set(err, "form", "is longer than 255 characters");
}

static bool read_mirror(const struct setting *setting, struct slice value, void *member,
                        struct error *err) {
    (void)setting;
    return mirror_source_read(value, member, err);
}

static bool read_mirror_sha256(const struct setting *setting, struct slice value, void *member,
                               struct error *err) {
    (void)setting;
    return mirror_source_read_sha256(value, member, err);
}

static bool read_runner_args(const struct setting *setting, struct slice value, void *member,
                             struct error *err) {
    char ***args = member;
    (void)setting;
    *args = runner_args_parse(value, err);
    return *args != NULL;
}

static bool read_extra_hosts(const struct setting *setting, struct slice value, void *member,
                             struct error *err) {
    struct settings *settings = member;
    (void)setting;
    return form_hosts(value, &settings->extra_hosts, &settings->extra_host_count, err);
}

// --- Table ---------------------------------------------------------------------------------------

static const char *const job_credentials_words[] = {
    [JOB_CREDENTIALS_NONE] = "none",
    [JOB_CREDENTIALS_ROLE] = "role",
    [JOB_CREDENTIALS_INHERIT] = "inherit",
    NULL,
};

#define MEMBER(member) .offset = offsetof(struct settings, member)
#define TEXT(member) .read = setting_read_text, MEMBER(member)
#define SECONDS(member) .read = setting_read_seconds, MEMBER(member)
#define BOOLEAN(member) .read = setting_read_boolean, MEMBER(member), .words = settings_booleans

/// In this order: of several that are bad the first is named.
static const struct setting rows[] = {
    {"AWS_LAMBDA_MAX_CONCURRENCY", "1, or unset", .read = read_concurrency},
    {"CI_SERVER_URL", "the address of GitLab, as in https://gitlab.example.com",
     .read = read_server},
    {"CI_SERVER_TLS_CA_FILE", "the absolute path of a readable file of certificates in PEM",
     TEXT(ca_file), .check = form_ca_file},
    {"RUNNER_NAME", "a name of at most 255 bytes on one line", TEXT(runner_name),
     .check = form_name},
    {"RUNLET_TOKEN_SECRET_ARN",
     "the ARN of a secret, as in arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME",
     TEXT(token_secret_arn), .check = check_secret_arn},
    {"RUNLET_TOKEN_PARAMETER", "the name of an SSM parameter, as in /runlet/runner-token",
     TEXT(token_parameter), .check = form_parameter},
    {"CI_SERVER_TOKEN", "a runner authentication token", .read = read_token, MEMBER(token),
     .privacy = SETTING_SECRET},
    {"RUNLET_WAIT_TIMEOUT", "seconds as a whole number from 1 to 3600", SECONDS(wait_timeout_ms),
     .min = 1, .max = 3600},
    {"RUNLET_MAX_JOBS", "a whole number from 1 to 100", .read = setting_read_count,
     MEMBER(max_jobs), .min = 1, .max = 100},
    {"RUNLET_DEADLINE_MARGIN", "seconds as a whole number from 8 to 300",
     SECONDS(deadline_margin_ms), .min = 8, .max = 300},
    {"RUNLET_MIN_JOB_TIME", "seconds as a whole number from 0 to 3600", SECONDS(min_job_time_ms),
     .min = 0, .max = 3600},
    {"RUNLET_JOB_CREDENTIALS", .read = setting_read_word, MEMBER(job_credentials),
     .words = job_credentials_words},
    {"RUNLET_JOB_ROLE_ARN", "the ARN of a role, as in arn:aws:iam::ACCOUNT:role/NAME",
     TEXT(job_role_arn), .check = form_role_arn},
    {"RUNLET_JOB_SESSION_IDENTITY", BOOLEAN(session_identity)},
    {"RUNLET_ID_TOKEN_AUDIENCE",
     "the aud of id_tokens for this runner, as in https://runlet.example", TEXT(id_token_audience),
     .check = check_audience},
    {"RUNLET_ACCOUNTS_PARAMETER", "the name of an SSM parameter, as in /runlet/accounts",
     TEXT(accounts_parameter), .check = form_parameter},
    {"RUNLET_PROVIDER_MIRROR",
     "an absolute path outside of /tmp, or s3://BUCKET/KEY of a zip that layer-packer made",
     .read = read_mirror, MEMBER(mirror)},
    {"RUNLET_PROVIDER_MIRROR_SHA256", "the SHA-256 of the zip in S3, in 64 hexadecimal digits",
     .read = read_mirror_sha256, MEMBER(mirror)},
    {"RUNLET_RUNNER_ARGS", "a JSON array of arguments for gitlab-runner run-single, each a string",
     .read = read_runner_args, MEMBER(runner_args), .privacy = SETTING_HIDDEN},
    {"RUNLET_EXTRA_HOSTS",
     "a JSON object of names and IP addresses, as in {\"gitlab.example.com\": [\"10.0.0.7\"]}",
     .read = read_extra_hosts},
    {"RUNLET_FRESH_ENVIRONMENT", BOOLEAN(fresh_environment)},
};
static const struct settings_table table = {rows, ARRAY_LENGTH(rows)};

// --- Load ----------------------------------------------------------------------------------------

static bool check_token(struct settings *settings, struct error *err) {
    if (settings->token_secret_arn && settings->token_parameter) {
        return settings_table_refuse(&table, "RUNLET_TOKEN_PARAMETER",
                                     "is set beside RUNLET_TOKEN_SECRET_ARN: only one may be", err);
    }
    if (settings->token_secret_arn || settings->token_parameter) {
        secret_destroy(settings->token);
        settings->token = NULL;
        return true;
    }
    return settings->token ||
           settings_table_refuse(&table, "RUNLET_TOKEN_SECRET_ARN",
                                 "is not set, and neither is RUNLET_TOKEN_PARAMETER: one of them "
                                 "has to say where the runner token is",
                                 err);
}

static bool check_mirror(const struct mirror_source *mirror, struct error *err) {
    if (mirror->bucket && !mirror->sha256) {
        return settings_table_refuse(&table, "RUNLET_PROVIDER_MIRROR_SHA256",
                                     "is not set, but RUNLET_PROVIDER_MIRROR is in S3", err);
    }
    if (mirror->sha256 && !mirror->bucket) {
        return settings_table_refuse(&table, "RUNLET_PROVIDER_MIRROR_SHA256",
                                     "is set, but RUNLET_PROVIDER_MIRROR is not in S3", err);
    }
    return true;
}

static bool check_together(struct settings *settings, struct error *err) {
    if (!settings->server_url) {
        return settings_table_refuse(&table, "CI_SERVER_URL", "is not set", err);
    }
    if (!check_token(settings, err)) {
        return false;
    }
    if (settings->job_credentials == JOB_CREDENTIALS_ROLE && !settings->job_role_arn) {
        return settings_table_refuse(&table, "RUNLET_JOB_ROLE_ARN",
                                     "is not set, but RUNLET_JOB_CREDENTIALS is \"role\"", err);
    }
    return check_mirror(&settings->mirror, err);
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

/// Defaults that would be lost memory where there is a value.
static void set_late_defaults(struct settings *settings) {
    if (!settings->runner_name) {
        settings->runner_name =
            xstrdup(settings->function_name ? settings->function_name : "runlet");
    }
    if (!settings->runner_args) {
        settings->runner_args = xcalloc(1, sizeof(char *));
    }
}

bool settings_load(struct settings *settings, struct error *err) {
    set_defaults(settings);
    settings_take_credentials(&settings->credentials);
    if (!settings_table_read(&table, settings, err) || !check_together(settings, err)) {
        return false;
    }
    set_late_defaults(settings);
    settings_table_warn_of_unknown(&table);
    return true;
}

void settings_clean_up(struct settings *settings) {
    free(settings->server_url);
    free(settings->server_host);
    free(settings->ca_file);
    free(settings->runner_name);
    free(settings->token_secret_arn);
    free(settings->token_parameter);
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
