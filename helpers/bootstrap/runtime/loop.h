// SPDX-License-Identifier: Apache-2.0
/// The runtime loop: init, then event after event, each answered exactly once.
///
/// What a handler does with an event is its own matter; what holds for all is here: who may answer,
/// when the answer is no longer ours to give, and when the environment has to end.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bootstrap/runtime/runtime_api.h"
#include "common/buffer.h"
#include "common/error.h"

/// What becomes of the environment after an event.
enum handler_verdict {
    /// It may serve the next one.
    ENVIRONMENT_STAYS,
    /// It ends after the answer is given: asked for, or not clean any more.
    ENVIRONMENT_ENDS,
};

/// What serves events.
struct handler {
    const char *name;
    /// A sentence for --help.
    const char *summary;
    /// Init: checks everything that can be checked before the first event. Returns false for an
    /// init error. `*context` is released with destroy() in any case.
    bool (*init)(void **context, struct error *err);
    void (*destroy)(void *context);
    /// Handles one event. Leaves either a response (true) or an error whose code is an error type
    /// of Lambda's form. When it returns, no process that it started is left, and nothing of it in
    /// the file system, or `*verdict` is ENVIRONMENT_ENDS.
    bool (*handle)(void *context, const struct invocation *invocation, struct buffer *response,
                   enum handler_verdict *verdict, struct error *err);
};

/// The handler that the environment asks for; NULL for an init error.
typedef const struct handler *handler_choice(struct error *err);

/// Runs until the environment ends; returns the process's exit status.
int runtime_run(const char *address, handler_choice *choose);
