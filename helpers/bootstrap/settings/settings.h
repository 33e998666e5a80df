// SPDX-License-Identifier: Apache-2.0
/// What the function's environment variables ask of the handler `run`, checked once at init.
///
/// settings.c holds one table: a row for each variable, with its accepted form and what reads it
/// (settings_table.h, which also has the code and the form of messages). Nobody but the handler
/// knows this struct: whom it calls is told what it needs.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bootstrap/settings/mirror_source.h"
#include "common/aws/credentials.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/secret.h"

/// What AWS credentials the job script gets.
enum job_credentials {
    JOB_CREDENTIALS_NONE,
    /// RUNLET_JOB_ROLE_ARN, assumed for each job.
    JOB_CREDENTIALS_ROLE,
    /// Those of the function.
    JOB_CREDENTIALS_INHERIT,
};

struct settings {
    /// CI_SERVER_URL without a final slash: "https://gitlab.example.com".
    char *server_url;
    /// Its host, without the brackets of an IPv6 address, and its port.
    char *server_host;
    uint16_t server_port;
    /// Plain http to a host that is not this machine: worth a warning.
    bool server_is_plain_and_remote;
    /// CI_SERVER_TLS_CA_FILE, or NULL.
    char *ca_file;
    /// RUNNER_NAME, else the function's name, else "runlet".
    char *runner_name;

    /// Where the runner token is, one of the three: RUNLET_TOKEN_SECRET_ARN,
    /// RUNLET_TOKEN_PARAMETER, CI_SERVER_TOKEN (the token itself, for local use).
    char *token_secret_arn;
    char *token_parameter;
    struct secret *token;

    /// RUNLET_WAIT_TIMEOUT, _DEADLINE_MARGIN, _MIN_JOB_TIME.
    int64_t wait_timeout_ms;
    int64_t deadline_margin_ms;
    int64_t min_job_time_ms;
    unsigned max_jobs;

    enum job_credentials job_credentials;
    /// RUNLET_JOB_ROLE_ARN, or NULL.
    char *job_role_arn;
    /// RUNLET_JOB_SESSION_IDENTITY: the job role's session has tags and a source identity.
    bool session_identity;
    /// RUNLET_ID_TOKEN_AUDIENCE: whose id_tokens may tell more of a job; NULL: none are looked at.
    char *id_token_audience;
    /// RUNLET_ACCOUNTS_PARAMETER, or NULL.
    char *accounts_parameter;

    /// RUNLET_PROVIDER_MIRROR and _SHA256.
    struct mirror_source mirror;

    /// RUNLET_RUNNER_ARGS, ended by NULL; never NULL itself.
    char **runner_args;
    /// RUNLET_EXTRA_HOSTS: names and addresses ("10.0.0.7,fd00::7").
    struct http_host *extra_hosts;
    size_t extra_host_count;
    /// RUNLET_FRESH_ENVIRONMENT
    bool fresh_environment;

    /// AWS_LAMBDA_FUNCTION_NAME and AWS_REGION, or NULL.
    char *function_name;
    char *region;
    /// The function's own keys; without an access key where there were none.
    struct aws_credentials credentials;
};
#define cleanup_settings __attribute__((cleanup(settings_clean_up)))

/// Reads and checks all settings into the zeroed `settings`, which the caller releases in any case.
///
/// The values of the variables that hold secrets (the AWS keys, CI_SERVER_TOKEN) are overwritten
/// in the process's environment and the variables removed from it, also where it fails.
/// Warns in the log of RUNLET_ variables that nothing reads.
bool settings_load(struct settings *settings, struct error *err);
void settings_clean_up(struct settings *settings);
