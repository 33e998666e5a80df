// SPDX-License-Identifier: Apache-2.0
/// Finds base credentials, for tests that compare them with botocore's:
/// base-credentials [--profile NAME]. Prints them as JSON without the secret parts, or
/// "<code>: <message>" on stderr.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "assume-role/base.h"
#include "common/json.h"
#include "common/log.h"
#include "common/system/files.h"

static void add(cJSON *object, const char *name, const char *value) {
    cJSON_AddItemToObject(object, name,
                          value != NULL ? cJSON_CreateString(value) : cJSON_CreateNull());
}

static bool print(const struct base *base, struct error *err) {
    json_initialise();
    cleanup_cjson cJSON *object = cJSON_CreateObject();
    add(object, "access_key", base->credentials.access_key);
    add(object, "source", base->source);
    add(object, "region", base->region);
    add(object, "endpoint_url", base->endpoint_url);
    add(object, "ca_bundle", base->ca_bundle);
    cJSON_AddItemToObject(object, "is_session", cJSON_CreateBool(base->is_session));
    cJSON_AddItemToObject(object, "expires_ms",
                          cJSON_CreateNumber((double)base->credentials.expires_ms));
    cleanup_buffer struct buffer text = BUFFER_INIT(65536);
    return json_print(object, &text, err) &&
           files_write_fd(STDOUT_FILENO, "stdout", buffer_slice(&text), err);
}

static bool find(struct base_options *options, struct base *base, struct error *err) {
    bool allow_http = false;
    const char *ca_bundle = NULL;
    cleanup_base struct base settings;
    if (!base_settings(options, &settings, err)) {
        return false;
    }
    aws_http_settings(settings.endpoint_url, &allow_http, &ca_bundle);
    struct http_trust *trust = http_trust_new(ca_bundle != NULL ? ca_bundle : settings.ca_bundle);
    const struct http_client_options http_options = {.trust = trust, .allow_http = allow_http};
    struct http_client *http = http_client_new(&http_options);
    const struct aws_client_options client_options = {
        .http = http,
        .endpoint = {.url = settings.endpoint_url},
    };
    options->client = aws_client_new(&client_options, err);
    options->deadline_ms = clock_now_ms(clock_system()) + 30000;
    const bool found = options->client != NULL && base_find(options, base, err);
    aws_client_destroy(options->client);
    http_client_destroy(http);
    http_trust_destroy(trust);
    return found;
}

int main(int argc, char **argv) {
    struct error err;
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--profile") != 0)) {
        (void)fprintf(stderr, "usage: base-credentials [--profile NAME]\n");
        return 2;
    }
    log_set_fd(STDERR_FILENO);
    log_set_format(LOG_FORMAT_TEXT, "base-credentials");
    struct base_options options = {.profile = argc == 3 ? argv[2] : NULL, .own_program = argv[0]};
    cleanup_base struct base base = {0};
    if (!find(&options, &base, &err) || !print(&base, &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.code, err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
