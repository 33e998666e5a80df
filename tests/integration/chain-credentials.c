// SPDX-License-Identifier: Apache-2.0
/// Finds credentials by the default chain, for tests that compare them with botocore's:
/// chain-credentials [--profile NAME]. Prints them as JSON without the secret parts, and where STS
/// is, or "<code>: <message>" on stderr. It is a program of its own: nothing of assume-role is in
/// it.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/aws/calls.h"
#include "common/aws/chain/chain.h"
#include "common/json.h"
#include "common/log.h"
#include "common/system/environment.h"
#include "common/system/files.h"

static void add(cJSON *object, const char *name, const char *value) {
    cJSON_AddItemToObject(object, name,
                          value != NULL ? cJSON_CreateString(value) : cJSON_CreateNull());
}

/// The environment's region wins over the profile's.
static const char *region_of(const struct chain_settings *settings) {
    const char *first = environment_value("AWS_REGION");
    const char *second = environment_value("AWS_DEFAULT_REGION");
    return first ? first : second ? second : settings->endpoint.region;
}

/// As assume-role asks STS.
static bool find_sts(const struct chain_settings *settings, struct aws_endpoint *sts,
                     struct buffer *url, struct error *err) {
    *sts = settings->endpoint;
    sts->region = region_of(settings);
    return (sts->region || error_set(err, "region", "none is known")) &&
           chain_place_sts(settings, sts, err) && aws_endpoint_resolve(sts, err) &&
           aws_endpoint_url(sts, "sts", "STS", url, err);
}

static bool print(const struct chain_settings *settings, const struct chain_found *found,
                  struct error *err) {
    json_initialise();
    cleanup_cjson cJSON *object = cJSON_CreateObject();
    cleanup_buffer struct buffer url = BUFFER_INIT(AWS_LONGEST_URL);
    struct aws_endpoint sts;
    struct error no_sts;
    const bool known = find_sts(settings, &sts, &url, &no_sts);
    add(object, "sts_url", known ? buffer_text(&url) : NULL);
    add(object, "sts_region", known ? sts.region : no_sts.code);
    add(object, "access_key", found->credentials.access_key);
    add(object, "source", found->source);
    add(object, "region", settings->endpoint.region);
    add(object, "endpoint_url", settings->endpoint.url);
    add(object, "ca_bundle", settings->ca_bundle);
    cJSON_AddItemToObject(object, "is_session",
                          cJSON_CreateBool(found->credentials.session_token != NULL));
    cJSON_AddItemToObject(object, "expires_ms",
                          cJSON_CreateNumber((double)found->credentials.expires_ms));
    cleanup_buffer struct buffer text = BUFFER_INIT(65536);
    return json_print(object, &text, err) &&
           files_write_fd(STDOUT_FILENO, "stdout", buffer_slice(&text), err);
}

static bool assume(void *context, const struct sts_assume *role, struct sts_session *session,
                   struct error *err) {
    return sts_assume_role(context, role, clock_now_ms(clock_system()) + 30000, session, err);
}

static bool find(struct chain *chain, const char *path, struct error *err) {
    const struct chain_settings *settings = chain_settings(chain);
    bool allow_http = false;
    const char *ca_bundle = NULL;
    aws_http_settings(settings->endpoint.url, &allow_http, &ca_bundle);
    struct http_trust *trust = http_trust_new(ca_bundle != NULL ? ca_bundle : settings->ca_bundle);
    const struct http_client_options http_options = {.trust = trust, .allow_http = allow_http};
    struct http_client *http = http_client_new(&http_options);
    // Where keys need no STS, no region is asked for.
    const char *region = region_of(settings);
    const struct aws_client_options client_options = {
        .http = http,
        .endpoint = {.url = settings->endpoint.url, .region = region ? region : "us-east-1"}};
    struct aws_client *client = aws_client_new(&client_options, err);
    const struct chain_program program = {
        .assume = assume, .context = client, .session_name = "runlet-test", .path = path};
    cleanup_chain_found struct chain_found found = {0};
    const bool done =
        client != NULL && chain_find(chain, &program, &found, err) && print(settings, &found, err);
    aws_client_destroy(client);
    http_client_destroy(http);
    http_trust_destroy(trust);
    return done;
}

int main(int argc, char **argv) {
    struct error err;
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--profile") != 0)) {
        (void)fprintf(stderr, "usage: chain-credentials [--profile NAME]\n");
        return 2;
    }
    log_set_fd(STDERR_FILENO);
    log_set_format(LOG_FORMAT_TEXT, "chain-credentials");
    const struct chain_options options = {
        .profile = argc == 3 ? argv[2] : NULL,
        .deadline_ms = clock_now_ms(clock_system()) + 30000,
    };
    cleanup_chain struct chain *chain = chain_open(&options, &err);
    if (chain == NULL || !find(chain, argv[0], &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.code, err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
