// SPDX-License-Identifier: Apache-2.0
/// Calls to AWS services: endpoints, signatures, retries, answers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/secret.h"
#include "common/slice.h"

/// Keys of an identity. Owns its parts.
struct aws_credentials {
    char *access_key;
    struct secret *secret_key;
    /// NULL where there is none.
    struct secret *session_token;
    /// Unix epoch milliseconds; 0: they do not expire.
    int64_t expires_ms;
};
#define cleanup_aws_credentials __attribute__((cleanup(aws_credentials_clean_up)))
void aws_credentials_clean_up(struct aws_credentials *credentials);
/// Takes AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Fails ("credentials") where
/// they are not set. The environment is left as it is.
bool aws_credentials_from_environment(struct aws_credentials *credentials, struct error *err);

/// What a client is made with; all copied but `http`, `clock` and `credentials`, which are borrowed
/// for its life.
struct aws_client_options {
    struct http_client *http;
    /// NULL: the system's.
    struct clock *clock;
    /// NULL: requests go out unsigned.
    const struct aws_credentials *credentials;
    /// NULL: AWS_REGION, else AWS_DEFAULT_REGION.
    const char *region;
    /// Wins over all that the environment says; NULL: none.
    const char *endpoint_url;
    /// FIPS and dual-stack endpoints; AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT win.
    bool use_fips;
    bool use_dual_stack;
    /// All attempts of a call; 0: AWS_MAX_ATTEMPTS (10 at most), else 3.
    unsigned max_attempts;
    /// What may be repeated of all its calls together, for whatever reason; 0: no limit.
    unsigned max_repetitions;
    /// Calls fail with "canceled" as soon as this is readable; 0 or less: none.
    int cancel_fd;
};

struct aws_client;
#define cleanup_aws_client __attribute__((cleanup(aws_client_destroyp)))
/// NULL on failure (code "region": none given, or not of a region's form).
struct aws_client *aws_client_new(const struct aws_client_options *options, struct error *err);
void aws_client_destroy(struct aws_client *client);
void aws_client_destroyp(struct aws_client **client);
const char *aws_client_region(const struct aws_client *client);
/// How far the service's clock is ahead of ours, as far as a call found out; else 0.
int64_t aws_client_skew_ms(const struct aws_client *client);
/// The plain-http permission and CA file for the http client: allow_http is true where an endpoint
/// URL in the environment is plain http (the local cloud); `*ca_bundle` is AWS_CA_BUNDLE or NULL.
void aws_http_settings(const char *endpoint_url, bool *allow_http, const char **ca_bundle);

enum aws_protocol {
    /// POST / with a JSON body and X-Amz-Target.
    AWS_JSON_1_1,
    /// POST / with a form body that names Action and Version; the answer is XML.
    AWS_QUERY,
};

struct aws_request {
    /// The service's name in signatures and endpoints: "secretsmanager", "ssm", "sts".
    const char *service;
    /// As in AWS_ENDPOINT_URL_<id>: "SECRETS_MANAGER", "SSM", "STS".
    const char *endpoint_id;
    enum aws_protocol protocol;
    /// For AWS_JSON_1_1: the X-Amz-Target, such as "secretsmanager.GetSecretValue".
    const char *target;
    struct slice body;
    /// NULL: the client's.
    const char *region;
    bool unsigned_request;
    /// What in the body is not to be shown, should the service repeat it; may be NULL.
    const struct secret *secret;
    /// More service error codes to repeat on, ended by NULL; may be NULL.
    const char *const *retryable_codes;
};

/// Sends one signed request to an AWS service and reads the whole answer.
///
/// `response` is initialised by the caller (http_response_init) and owned by it.
/// Retries throttling, 5xx and lost connections as the SDKs' standard mode does, within
/// `deadline_ms` (Unix epoch; 0: none), and corrects a clock skew that the service reports once.
/// Returns false and sets `err` when no 2xx answer was had; `err->code` is the service's error
/// code, or that of http.h.
bool aws_call(struct aws_client *client, const struct aws_request *request,
              struct http_response *response, int64_t deadline_ms, struct error *err);

/// Appends the endpoint's URL for a service and region: options, AWS_ENDPOINT_URL_<id>,
/// AWS_ENDPOINT_URL, or that of the region's partition, FIPS and dual-stack as the environment
/// asks.
bool aws_endpoint_url(const struct aws_client *client, const struct aws_request *request,
                      struct buffer *out, struct error *err);

/// Reads a secret's current value (SecretString, or SecretBinary decoded), at most 64 KiB. `id` is
/// an ARN, whose region wins over the client's, or a name. NULL on failure.
struct secret *aws_secrets_get_value(struct aws_client *client, const char *id, int64_t deadline_ms,
                                     struct error *err);
/// Reads a parameter's value, decrypted. `name` may be an ARN, whose region wins. NULL on failure.
struct secret *aws_ssm_get_parameter(struct aws_client *client, const char *name,
                                     int64_t deadline_ms, struct error *err);
