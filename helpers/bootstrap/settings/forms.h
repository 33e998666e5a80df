// SPDX-License-Identifier: Apache-2.0
/// The forms that settings come in: what reads a text, or says what is wrong with it.
///
/// Messages are the flaw alone, as in "RUNLET_MAX_JOBS is "0": <flaw>; it must be ..."; the caller
/// adds the rest. None of them shows the text itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/http/http.h"
#include "common/slice.h"

/// A whole number from `min` to `max`.
bool form_integer(struct slice text, int64_t min, int64_t max, int64_t *value, struct error *err);
/// Text for people: no control characters, at most 255 bytes.
bool form_name(struct slice text, struct error *err);

/// A server's address.
struct form_url {
    /// Without final slashes.
    char *url;
    char *host;
    uint16_t port;
    bool https;
};
/// An http or https URL with a host, and nothing of a user, a query or a fragment. The texts are
/// the caller's to free.
bool form_server_url(struct slice text, struct form_url *url, struct error *err);

/// arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE with a region where `regional`, 12 digits of an
/// account, and a resource that begins with `resource`.
bool form_arn(struct slice text, const char *service, bool regional, const char *resource,
              struct error *err);
/// The name of an SSM parameter, or its ARN.
bool form_parameter(struct slice text, struct error *err);
/// The ARN of an IAM role: a path of any printable ASCII, and a name.
/// Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html
bool form_role_arn(struct slice text, struct error *err);

/// An absolute path of a readable file that holds at least one certificate in PEM.
bool form_ca_file(struct slice text, struct error *err);

/// A JSON object of host names and arrays of IP addresses (or one address). `*hosts` and `*count`
/// are set on success, to be released with form_hosts_destroy().
bool form_hosts(struct slice text, struct http_host **hosts, size_t *count, struct error *err);
void form_hosts_destroy(struct http_host *hosts, size_t count);
