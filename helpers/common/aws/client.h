// SPDX-License-Identifier: Apache-2.0
/// What the aws_*.c files share.
#pragma once

#include "common/aws/calls.h"

/// The endpoint of the client's options, or NULL.
const char *aws_client_endpoint_url(const struct aws_client *client);
/// Tells whether the client's options or the environment name the service's endpoint.
bool aws_endpoint_is_configured(const struct aws_client *client, const char *endpoint_id);
/// Those of the client's options.
bool aws_client_use_fips(const struct aws_client *client);
bool aws_client_use_dual_stack(const struct aws_client *client);
/// Tells whether it has the form of a region's name.
bool aws_is_region(const char *region);
