// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "bootstrap/runtime/runtime_api.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http.h"
#include "common/log.h"

enum { REGISTER_TIMEOUT_MS = 1000 };
static const size_t MAX_ANSWER = (size_t)64 << 10;
/// What libcurl needs on a stack, with room.
static const size_t STACK_BYTES = (size_t)256 << 10;

struct extension {
    struct http_client *http;
    char *register_url;
    char *next_url;
    /// The Lambda-Extension-Identifier.
    char *identifier;
};

static void extension_destroy(struct extension *extension) {
    http_client_destroy(extension->http);
    free(extension->register_url);
    free(extension->next_url);
    free(extension->identifier);
    free(extension);
}

static void extension_destroyp(struct extension **extension) {
    if (*extension) {
        extension_destroy(*extension);
    }
}

static bool register_extension(struct extension *extension, struct error *err) {
    const struct http_header headers[] = {
        {SLICE("Content-Type"), SLICE("application/json")},
        {SLICE("Lambda-Extension-Name"), SLICE("runlet")},
    };
    const struct http_request request = {
        .method = "POST",
        .url = extension->register_url,
        .headers = headers,
        .header_count = 2,
        .body = SLICE("{\"events\":[]}"),
        .timeout_ms = REGISTER_TIMEOUT_MS,
    };
    cleanup_http_response struct http_response response = {0};
    http_response_init(&response, MAX_ANSWER);
    if (!http_send(extension->http, &request, NULL, &response, err)) {
        return false;
    }
    struct slice identifier;
    if (response.status != 200 ||
        !http_response_header(&response, "Lambda-Extension-Identifier", &identifier)) {
        return error_set(err, "status", "the Extensions API answered %d", response.status);
    }
    extension->identifier = slice_copy(identifier);
    return true;
}

/// Waits for an event that is not to come. Where it ends all the same, nothing is lost but the
/// SIGTERM.
static void *wait_for_ever(void *argument) {
    struct extension *extension = argument;
    const struct http_header headers[] = {
        {SLICE("Lambda-Extension-Identifier"), slice_text(extension->identifier)},
    };
    const struct http_request request = {
        .method = "GET",
        .url = extension->next_url,
        .headers = headers,
        .header_count = 1,
    };
    cleanup_http_response struct http_response response = {0};
    http_response_init(&response, MAX_ANSWER);
    struct error err;
    if (!http_send(extension->http, &request, NULL, &response, &err)) {
        log_debug("the extension's wait ended", LOG_ERROR_FIELDS(&err));
    }
    extension_destroy(extension);
    return NULL;
}

static bool start_thread(struct extension *extension, struct error *err) {
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed) {
        return error_errno(err, failed, "cannot start a thread");
    }
    // Signals are for the main thread.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_t thread;
    failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (!failed) {
        failed = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    }
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (!failed) {
        failed = pthread_create(&thread, &attributes, wait_for_ever, extension);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed || error_errno(err, failed, "cannot start a thread");
}

bool runtime_extension_start(const char *address, struct error *err) {
    struct extension *extension __attribute__((cleanup(extension_destroyp))) =
        xcalloc(1, sizeof(*extension));
    extension->http =
        http_client_new(&(struct http_client_options){.allow_http = true, .no_proxy = true});
    extension->register_url = xasprintf("http://%s/2020-01-01/extension/register", address);
    extension->next_url = xasprintf("http://%s/2020-01-01/extension/event/next", address);
    if (!register_extension(extension, err) || !start_thread(extension, err)) {
        return error_prefix(err, "cannot register an internal extension");
    }
    // The thread has it now.
    steal_pointer(&extension);
    return true;
}
