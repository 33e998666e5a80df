// SPDX-License-Identifier: Apache-2.0
/// Where AWS services are.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
#pragma once

#include <stdbool.h>

#include "common/buffer.h"
#include "common/error.h"

enum { AWS_LONGEST_URL = 8192 };

/// A value; its texts are borrowed.
struct aws_endpoint {
    /// Wins over all that the environment says; NULL: none.
    const char *url;
    const char *region;
    bool fips;
    bool dual_stack;
    /// The environment's URLs do not count; AWS_IGNORE_CONFIGURED_ENDPOINT_URLS wins over it.
    bool ignores_environment;
};

/// Takes from the environment what `endpoint` leaves open (the region: AWS_REGION, else
/// AWS_DEFAULT_REGION) and what wins over it (AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT).
/// Fails with the code "region" where there is none, or it does not have a region's form.
bool aws_endpoint_resolve(struct aws_endpoint *endpoint, struct error *err);

/// Appends the URL of a service ("sts") that is "STS" in AWS_ENDPOINT_URL_STS: the endpoint's,
/// AWS_ENDPOINT_URL_<id>, AWS_ENDPOINT_URL, or that of the region's partition.
bool aws_endpoint_url(const struct aws_endpoint *endpoint, const char *service, const char *id,
                      struct buffer *out, struct error *err);
/// Tells whether the endpoint or the environment gives the service's URL.
bool aws_endpoint_is_configured(const struct aws_endpoint *endpoint, const char *id);

/// The plain-http permission and CA file for the http client: `*allow_http` is true where `url`
/// (NULL: none) or an endpoint URL in the environment is plain http (the local cloud); `*ca_bundle`
/// is AWS_CA_BUNDLE or NULL.
void aws_http_settings(const char *url, bool *allow_http, const char **ca_bundle);
