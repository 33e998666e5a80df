// SPDX-License-Identifier: Apache-2.0
/// Calls to AWS with the function's own keys: what is known of them and of the way there.
///
/// Made once by a handler and lent to all that calls; may be used from several threads, each with a
/// call of its own. Certificates are read once, and a connection is kept for the next call, as
/// is what a call found out of a clock that is wrong.
#pragma once

#include "common/aws/calls.h"

struct function_aws_options {
    /// Borrowed for its life; without an access key requests go out unsigned.
    const struct aws_credentials *credentials;
    /// Copied; NULL: as aws_client_new() finds it.
    const char *region;
    /// Borrowed; NULL: the system's.
    struct clock *clock;
};

struct function_aws;

struct function_aws *function_aws_new(const struct function_aws_options *options)
    __attribute__((returns_nonnull));
/// All calls must have ended; NULL is fine.
void function_aws_destroy(struct function_aws *aws);

/// Closes the connections that nobody uses: Lambda freezes us between events, and a connection does
/// not live through that.
void function_aws_close_idle(struct function_aws *aws);

/// A thread's turn at calling.
struct function_aws_call {
    struct function_aws *aws;
    struct http_client *http;
    struct aws_client *client;
    /// Of the function; NULL where there are none: requests go out unsigned.
    const struct aws_credentials *credentials;
};
#define cleanup_function_aws_call __attribute__((cleanup(function_aws_end)))

/// Begins a turn; `call` is zeroed and to be ended by the caller, on failure too. Its requests fail
/// with "canceled" as soon as `cancel_fd` is readable (0: none). Fails as aws_client_new() does.
bool function_aws_begin(struct function_aws *aws, int cancel_fd, struct function_aws_call *call,
                        struct error *err);
void function_aws_end(struct function_aws_call *call);
