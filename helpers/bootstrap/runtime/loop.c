// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/runtime/loop.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "bootstrap/runtime/budget.h"
#include "bootstrap/runtime/error_types.h"
#include "bootstrap/runtime/sigterm.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/process.h"

static const size_t MAX_RESPONSE = (size_t)4 << 20;

// --- Init --------------------------------------------------------------------------------------

static bool prepare_process(struct error *err) {
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0) {
        log_warn("cannot turn core files off");
    }
    return process_become_subreaper(err) && sigterm_catch(err);
}

/// The handler, ready for events; NULL for an init error.
static const struct handler *initialise(handler_choice *choose, void **context, struct error *err) {
    if (!prepare_process(err)) {
        error_set(err, ERROR_INIT_FAILED, "%s", err->message);
        return NULL;
    }
    const struct handler *handler = choose(err);
    return handler && handler->init(context, err) ? handler : NULL;
}

/// Lambda keeps only error types of its own form: what has none is our own fault.
static struct error with_type(const struct error *failure) {
    struct error typed = *failure;
    struct slice code = slice_text(failure->code);
    if (!slice_starts_with(code, slice_text(ERROR_TYPE_OF_RUNTIME)) &&
        !slice_starts_with(code, slice_text(ERROR_TYPE_OF_FUNCTION))) {
        error_set(&typed, ERROR_INTERNAL, "%s", failure->message);
    }
    return typed;
}

static int fail_init(struct runtime_api *api, const struct error *failure) {
    struct error typed = with_type(failure);
    log_error("the runtime cannot start", LOG_ERROR_FIELDS(&typed));
    struct error err;
    if (!runtime_api_init_error(api, &typed, &err)) {
        log_error("cannot tell Lambda why", LOG_ERROR_FIELDS(&err));
    }
    return EXIT_FAILURE;
}

// --- Events ------------------------------------------------------------------------------------

/// For libraries that look for it, as Lambda asks of custom runtimes.
static void set_trace_id(const struct invocation *invocation) {
    if (invocation->trace_id) {
        setenv("_X_AMZN_TRACE_ID", invocation->trace_id, 1);
    } else {
        unsetenv("_X_AMZN_TRACE_ID");
    }
}

/// Whoever answered in our place may have left processes that wait for the next event.
static void kill_everything(void) {
    struct error err;
    if (!process_kill_descendants(BUDGET_KILL_LIMIT_MS, &err)) {
        log_error("cannot end all processes", LOG_ERROR_FIELDS(&err));
    }
}

static enum runtime_answer answer(struct runtime_api *api, const struct invocation *invocation,
                                  const struct buffer *response, const struct error *failure,
                                  struct error *err) {
    if (!failure) {
        return runtime_api_respond(api, invocation, buffer_slice(response), err);
    }
    struct error typed = with_type(failure);
    log_error("the invocation failed", LOG_ERROR_FIELDS(&typed));
    return runtime_api_fail(api, invocation, &typed, err);
}

/// Handles one event and answers it. False when the environment has to end, with `*status` for it.
static bool serve(struct runtime_api *api, const struct handler *handler, void *context,
                  const struct invocation *invocation, int *status) {
    cleanup_buffer struct buffer response = BUFFER_INIT(MAX_RESPONSE);
    enum handler_verdict verdict = ENVIRONMENT_STAYS;
    struct error failure;
    bool good = handler->handle(context, invocation, &response, &verdict, &failure);
    *status = EXIT_FAILURE;
    if (clock_now_ms(clock_system()) >= invocation->deadline_ms) {
        // Lambda has ended this invocation, or somebody else has and the environment stood still.
        log_error("the invocation's time is over: the environment ends");
        kill_everything();
        return false;
    }
    struct error err;
    switch (answer(api, invocation, &response, good ? NULL : &failure, &err)) {
    case RUNTIME_REFUSED:
        log_error(
            "Lambda does not take our answer, so somebody else gave one: the environment ends",
            LOG_ERROR_FIELDS(&err));
        kill_everything();
        return false;
    case RUNTIME_TOO_LARGE:
        log_error("the response was lost", LOG_ERROR_FIELDS(&err));
        break;
    case RUNTIME_ACCEPTED:
        break;
    }
    *status = good ? EXIT_SUCCESS : EXIT_FAILURE;
    return verdict == ENVIRONMENT_STAYS && !sigterm_came();
}

static int serve_events(struct runtime_api *api, const struct handler *handler, void *context) {
    for (;;) {
        cleanup_invocation struct invocation invocation = {0};
        struct error err;
        if (!runtime_api_next(api, sigterm_fd(), &invocation, &err)) {
            if (error_is(&err, "canceled")) {
                return EXIT_SUCCESS;
            }
            log_error("the environment ends", LOG_ERROR_FIELDS(&err));
            return EXIT_FAILURE;
        }
        log_set_request_id(invocation.request_id);
        set_trace_id(&invocation);
        int status;
        bool stays = serve(api, handler, context, &invocation, &status);
        log_set_request_id(NULL);
        if (!stays) {
            return status;
        }
    }
}

int runtime_run(const char *address, handler_choice *choose) {
    log_set_level_from_environment();
    struct runtime_api *api = runtime_api_new(address, NULL);
    void *context = NULL;
    struct error err;
    const struct handler *handler = initialise(choose, &context, &err);
    if (!handler) {
        return fail_init(api, &err);
    }
    if (!runtime_extension_start(address, &err)) {
        // All that is lost is the SIGTERM before the end.
        log_info("Lambda will not announce the environment's end", LOG_ERROR_FIELDS(&err));
    }
    int status = serve_events(api, handler, context);
    handler->destroy(context);
    runtime_api_destroy(api);
    return status;
}
