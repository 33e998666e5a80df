// SPDX-License-Identifier: Apache-2.0
/// Calls to AWS services: signing, sending, retries, and what to do about a refusal.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/credentials.h"
#include "common/aws/endpoint.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/http/http.h"
#include "common/secret.h"
#include "common/slice.h"

/// What a client is made with; all copied but `http` and `clock`, which are borrowed for its life.
struct aws_client_options {
    struct http_client *http;
    /// NULL: the system's.
    struct clock *clock;
    /// Zeroed: all as in the environment, see aws_endpoint_resolve().
    struct aws_endpoint endpoint;
    /// What may be repeated of all its calls together, for whatever reason; 0: no limit.
    unsigned max_repetitions;
    /// Calls fail with "canceled" as soon as this is readable; 0 or less: none.
    int cancel_fd;
    /// From aws_client_skew_ms() of a client before it; 0: not known.
    int64_t skew_ms;
};

/// Of every service.
enum { AWS_CONNECT_TIMEOUT_MS = 5000 };

struct aws_client;
#define cleanup_aws_client __attribute__((cleanup(aws_client_destroyp)))
/// A call makes three attempts, or AWS_MAX_ATTEMPTS (10 at most). NULL where the endpoint does not
/// resolve.
struct aws_client *aws_client_new(const struct aws_client_options *options, struct error *err);
void aws_client_destroy(struct aws_client *client);
void aws_client_destroyp(struct aws_client **client);
/// Valid as long as the client.
const struct aws_endpoint *aws_client_endpoint(const struct aws_client *client);
struct http_client *aws_client_http(const struct aws_client *client);
/// How far the service's clock is ahead of ours, as far as a call found out; else 0.
int64_t aws_client_skew_ms(const struct aws_client *client);
/// The time by the service's clock, as far as it is known: for signatures.
int64_t aws_client_now_ms(const struct aws_client *client);

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
    /// Whose keys sign it; NULL: it goes out unsigned.
    const struct aws_credentials *credentials;
    /// What in the body is not to be shown, should the service repeat it; may be NULL.
    const struct secret *secret;
    /// More service error codes to repeat on, ended by NULL; may be NULL.
    const char *const *retryable_codes;
};

/// Sends one request to an AWS service and reads the whole answer.
///
/// `response` is initialised by the caller (http_response_init) and owned by it.
/// Retries throttling, 5xx and lost connections as the SDKs' standard mode does, within
/// `deadline_ms` (Unix epoch; 0: none), and corrects a clock skew that the service reports once.
/// Returns false and sets `err` when no 2xx answer was had; `err->code` is the service's error
/// code, or that of http.h.
bool aws_call(struct aws_client *client, const struct aws_request *request,
              struct http_response *response, int64_t deadline_ms, struct error *err);
