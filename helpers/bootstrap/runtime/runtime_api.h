// SPDX-License-Identifier: Apache-2.0
/// The client's side of the Lambda Runtime API, and of the Extensions API as far as we need it.
///
/// Plain HTTP to AWS_LAMBDA_RUNTIME_API, never by way of a proxy.
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/error.h"

struct runtime_api;

/// `address` is HOST:PORT. `clock` is borrowed; NULL: the system's.
struct runtime_api *runtime_api_new(const char *address, struct clock *clock)
    __attribute__((returns_nonnull));
void runtime_api_destroy(struct runtime_api *api);

/// One event and what Lambda says about it.
struct invocation {
    /// Letters, digits, '-' and '_' only.
    char *request_id;
    /// The function's ARN as it was invoked; NULL where Lambda does not say.
    char *function_arn;
    /// For X-Ray; NULL: none.
    char *trace_id;
    /// Unix epoch. Where Lambda does not say, the longest that a function may run.
    int64_t deadline_ms;
    struct buffer event;
};
#define cleanup_invocation __attribute__((cleanup(invocation_clean_up)))
void invocation_clean_up(struct invocation *invocation);

/// Waits for the next event, without a time limit, until `cancel_fd` is readable (code "canceled").
/// A connection that cannot be made is tried again a few times; any answer but a good 200 is final:
/// the runtime is to end.
bool runtime_api_next(struct runtime_api *api, int cancel_fd, struct invocation *invocation,
                      struct error *err);

/// What Lambda said to a response or an error of ours.
enum runtime_answer {
    /// 202
    RUNTIME_ACCEPTED,
    /// 413: the invocation has ended with an error for the response's size. Nothing more is to be
    /// posted for it; the next event may be asked for.
    RUNTIME_TOO_LARGE,
    /// Anything else, or no answer before the deadline: the invocation is not ours (any more), and
    /// the runtime is to end.
    RUNTIME_REFUSED,
};

/// Posts the result of an invocation. `err` is set unless it was accepted.
enum runtime_answer runtime_api_respond(struct runtime_api *api,
                                        const struct invocation *invocation, struct slice body,
                                        struct error *err);
/// Posts that the invocation failed: the type is `failure->code`, which must have one of the two
/// forms that Lambda keeps, Runtime.Reason or Function.Reason.
enum runtime_answer runtime_api_fail(struct runtime_api *api, const struct invocation *invocation,
                                     const struct error *failure, struct error *err);
/// Posts that the runtime cannot start. Two seconds at most.
bool runtime_api_init_error(struct runtime_api *api, const struct error *failure,
                            struct error *err);

/// Registers an internal extension without events, and leaves a thread waiting for the event that
/// never comes: Lambda then sends SIGTERM before it kills, which it does not do otherwise.
/// To be called before the first runtime_api_next(). The thread lives as long as the process.
bool runtime_extension_start(const char *address, struct error *err);
