// SPDX-License-Identifier: Apache-2.0
/// Calls to AWS with the function's own keys.
///
/// Opened for a few calls and closed again: they are rare, and Lambda freezes us in between.
#pragma once

#include "bootstrap/settings/settings.h"
#include "common/aws/calls.h"

struct function_aws {
    struct http_trust *trust;
    struct http_client *http;
    struct aws_client *client;
};
#define cleanup_function_aws __attribute__((cleanup(function_aws_close)))

/// `settings` and `clock` (NULL: the system's) are borrowed until the end. Calls fail with
/// "canceled" as soon as `cancel_fd` is readable (0: none). To be closed by the caller, on failure
/// too.
bool function_aws_open(struct function_aws *aws, const struct settings *settings,
                       struct clock *clock, int cancel_fd, struct error *err);
void function_aws_close(struct function_aws *aws);
