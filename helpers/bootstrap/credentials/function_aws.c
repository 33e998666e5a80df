// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/function_aws.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/alloc.h"

struct function_aws {
    const struct aws_credentials *credentials;
    char *region;
    struct clock *clock;
    struct http_trust *trust;
    bool allow_http;
    pthread_mutex_t lock;
    /// For the next call; NULL: none.
    struct http_client *idle;
    /// How far AWS's clock is ahead of ours, as far as a call found out.
    int64_t skew_ms;
};

struct function_aws *function_aws_new(const struct function_aws_options *options) {
    const char *ca_bundle = NULL;
    struct function_aws *aws = xcalloc(1, sizeof(*aws));
    const bool has_keys = options->credentials && options->credentials->access_key;
    aws->credentials = has_keys ? options->credentials : NULL;
    aws->region = options->region ? xstrdup(options->region) : NULL;
    aws->clock = options->clock;
    aws_http_settings(NULL, &aws->allow_http, &ca_bundle);
    aws->trust = http_trust_new(ca_bundle);
    pthread_mutex_init(&aws->lock, NULL);
    return aws;
}

void function_aws_destroy(struct function_aws *aws) {
    if (aws) {
        function_aws_close_idle(aws);
        http_trust_destroy(aws->trust);
        pthread_mutex_destroy(&aws->lock);
        free(aws->region);
        free(aws);
    }
}

// --- Connections ---------------------------------------------------------------------------------

/// Puts a client (or none) in the place of the idle one, which is the caller's from then on.
static struct http_client *swap_idle(struct function_aws *aws, struct http_client *client) {
    pthread_mutex_lock(&aws->lock);
    struct http_client *before = aws->idle;
    aws->idle = client;
    pthread_mutex_unlock(&aws->lock);
    return before;
}

void function_aws_close_idle(struct function_aws *aws) {
    http_client_destroy(swap_idle(aws, NULL));
}

static struct http_client *take_client(struct function_aws *aws) {
    struct http_client *idle = swap_idle(aws, NULL);
    const struct http_client_options options = {
        .trust = aws->trust,
        .clock = aws->clock,
        .allow_http = aws->allow_http,
    };
    return idle ? idle : http_client_new(&options);
}

// --- The clock -----------------------------------------------------------------------------------

static int64_t known_skew_ms(struct function_aws *aws) {
    pthread_mutex_lock(&aws->lock);
    const int64_t skew_ms = aws->skew_ms;
    pthread_mutex_unlock(&aws->lock);
    return skew_ms;
}

/// A turn that found nothing out leaves what another one did.
static void keep_skew(struct function_aws *aws, const struct aws_client *client) {
    const int64_t skew_ms = aws_client_skew_ms(client);
    pthread_mutex_lock(&aws->lock);
    aws->skew_ms = skew_ms != 0 ? skew_ms : aws->skew_ms;
    pthread_mutex_unlock(&aws->lock);
}

// --- Calls ---------------------------------------------------------------------------------------

bool function_aws_begin(struct function_aws *aws, int cancel_fd, struct function_aws_call *call,
                        struct error *err) {
    *call = (struct function_aws_call){
        .aws = aws, .http = take_client(aws), .credentials = aws->credentials};
    const struct aws_client_options options = {
        .http = call->http,
        .clock = aws->clock,
        .endpoint = {.region = aws->region},
        .cancel_fd = cancel_fd,
        .skew_ms = known_skew_ms(aws),
    };
    call->client = aws_client_new(&options, err);
    return call->client != NULL;
}

void function_aws_end(struct function_aws_call *call) {
    if (call->client) {
        keep_skew(call->aws, call->client);
    }
    aws_client_destroy(call->client);
    if (call->http) {
        http_client_destroy(swap_idle(call->aws, call->http));
    }
    *call = (struct function_aws_call){0};
}
