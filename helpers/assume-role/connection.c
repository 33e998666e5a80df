// SPDX-License-Identifier: Apache-2.0
#include "assume-role/connection.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/environment.h"

/// For all of a run, however many roles there are: a service that fails is left within a minute and
/// a dozen calls.
enum { LONGEST_RUN_MS = 55 * 1000, MOST_REPETITIONS = 10 };

static const char *find_region(const struct connection_options *options, const struct base *base,
                               struct error *err) {
    const char *const candidates[] = {options->region, environment_value("AWS_REGION"),
                                      environment_value("AWS_DEFAULT_REGION"), base->region};
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

/// Looks for keys in the places of the SDKs.
static bool find_keys(struct connection *connection, const char *profile, struct error *err) {
    char own_program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", own_program, sizeof(own_program) - 1);
    own_program[length > 0 ? length : 0] = '\0';
    const struct base_options options = {
        .profile = profile,
        .client = connection->client,
        .clock = connection->clock,
        .deadline_ms = connection->deadline_ms,
        .use_cache = connection->use_cache,
        .own_program = length > 0 ? own_program : NULL,
    };
    return base_find(&options, &connection->base, err);
}

bool connection_open(const struct connection_options *options, struct connection *connection,
                     struct error *err) {
    *connection = (struct connection){.clock = clock_system(), .use_cache = options->use_cache};
    connection->deadline_ms = clock_now_ms(connection->clock) + LONGEST_RUN_MS;
    const struct base_options base_options = {.profile = options->profile,
                                              .clock = connection->clock};
    cleanup_base struct base settings;
    if (!base_settings(&base_options, &settings, err)) {
        return false;
    }
    const char *endpoint_url =
        options->endpoint_url ? options->endpoint_url : settings.endpoint_url;
    const char *region = find_region(options, &settings, err);
    if (!region) {
        return false;
    }
    open_http(connection, endpoint_url, settings.ca_bundle);
    const struct aws_client_options client_options = {
        .http = connection->http,
        .clock = connection->clock,
        .endpoint = {.url = endpoint_url,
                     .region = region,
                     .fips = settings.use_fips,
                     .dual_stack = settings.use_dual_stack},
        .max_repetitions = MOST_REPETITIONS,
    };
    connection->client = aws_client_new(&client_options, err);
    if (!connection->client) {
        return false;
    }
    struct base *base = &connection->base;
    if (!options->needs_keys) {
        base->source = xstrdup("web identity token");
    } else if (!find_keys(connection, options->profile, err)) {
        return false;
    }
    const char *access_key = base->credentials.access_key;
    log_debug("starting", log_text("from", base->source), log_text("region", region),
              log_text("access_key", access_key ? access_key : ""));
    return true;
}

void connection_close(struct connection *connection) {
    aws_client_destroy(connection->client);
    http_client_destroy(connection->http);
    http_trust_destroy(connection->trust);
    base_clean_up(&connection->base);
    *connection = (struct connection){0};
}
