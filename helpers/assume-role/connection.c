// SPDX-License-Identifier: Apache-2.0
#include "assume-role/connection.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "assume-role/session_name.h"
#include "assume-role/session_request.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/environment.h"

/// For all of a run, however many roles there are: a service that fails is left within a minute and
/// a dozen calls.
enum { LONGEST_RUN_MS = 55 * 1000, MOST_REPETITIONS = 10 };

static const char *find_region(const struct connection_options *options,
                               const struct chain_settings *settings, struct error *err) {
    const char *const candidates[] = {options->region, environment_value("AWS_REGION"),
                                      environment_value("AWS_DEFAULT_REGION"),
                                      settings->endpoint.region};
    for (size_t i = 0; i < ARRAY_LENGTH(candidates); i++) {
        if (candidates[i]) {
            return candidates[i];
        }
    }
    error_set(err, "region",
              "no AWS region is known: give --region, set AWS_REGION, or put a region into the "
              "profile");
    return NULL;
}

static void open_http(struct connection *connection, const char *endpoint_url,
                      const char *ca_bundle) {
    const char *from_environment = NULL;
    bool allow_http = false;
    aws_http_settings(endpoint_url, &allow_http, &from_environment);
    connection->trust = http_trust_new(from_environment ? from_environment : ca_bundle);
    const struct http_client_options options = {
        .trust = connection->trust, .clock = connection->clock, .allow_http = allow_http};
    connection->http = http_client_new(&options);
}

static bool call(const struct session_request *request, struct sts_session *session,
                 struct error *err) {
    return sts_assume_role(request->client, request->roles, request->deadline_ms, session, err);
}

/// Assumes the role of a profile, by way of the cache.
static bool assume(void *context, const struct sts_assume *role, struct sts_session *session,
                   struct error *err) {
    const struct connection *connection = context;
    const struct session_request request = {
        .client = connection->client,
        .roles = role,
        .role_count = 1,
        .clock = connection->clock,
        .deadline_ms = connection->deadline_ms,
        .use_cache = connection->use_cache,
        .call = call,
    };
    return session_request_send(&request, session, err);
}

/// Looks for keys in the places of the SDKs.
static bool find_keys(struct connection *connection, struct chain *chain, struct error *err) {
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    cleanup_free char *session_name = session_name_default();
    const struct chain_program program = {
        .assume = assume,
        .context = connection,
        .session_name = session_name,
        .path = length > 0 ? path : NULL,
    };
    return chain_find(chain, &program, &connection->start, err);
}

static bool open_client(struct connection *connection, const struct connection_options *options,
                        const struct chain_settings *settings, struct error *err) {
    struct aws_endpoint endpoint = settings->endpoint;
    endpoint.url = options->endpoint_url ? options->endpoint_url : endpoint.url;
    endpoint.region = find_region(options, settings, err);
    connection->region = endpoint.region ? xstrdup(endpoint.region) : NULL;
    if (!endpoint.region || !chain_place_sts(settings, &endpoint, err)) {
        return false;
    }
    open_http(connection, endpoint.url, settings->ca_bundle);
    const struct aws_client_options client_options = {
        .http = connection->http,
        .clock = connection->clock,
        .endpoint = endpoint,
        .max_repetitions = MOST_REPETITIONS,
    };
    connection->client = aws_client_new(&client_options, err);
    return connection->client != NULL;
}

bool connection_open(const struct connection_options *options, struct connection *connection,
                     struct error *err) {
    *connection = (struct connection){.clock = clock_system(), .use_cache = options->use_cache};
    connection->deadline_ms = clock_now_ms(connection->clock) + LONGEST_RUN_MS;
    const struct chain_options chain_options = {.profile = options->profile,
                                                .clock = connection->clock,
                                                .deadline_ms = connection->deadline_ms};
    cleanup_chain struct chain *chain = chain_open(&chain_options, err);
    if (!chain || !open_client(connection, options, chain_settings(chain), err)) {
        return false;
    }
    struct chain_found *start = &connection->start;
    if (!options->needs_keys) {
        start->source = xstrdup("web identity token");
    } else if (!find_keys(connection, chain, err)) {
        return false;
    }
    const char *access_key = start->credentials.access_key;
    log_debug("starting", log_text("from", start->source), log_text("region", connection->region),
              log_text("access_key", access_key ? access_key : ""));
    return true;
}

void connection_close(struct connection *connection) {
    aws_client_destroy(connection->client);
    http_client_destroy(connection->http);
    http_trust_destroy(connection->trust);
    chain_found_clean_up(&connection->start);
    free(connection->region);
    *connection = (struct connection){0};
}
