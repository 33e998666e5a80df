// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/function_aws.h"

bool function_aws_open(struct function_aws *aws, const struct settings *settings,
                       struct clock *clock, int cancel_fd, struct error *err) {
    const char *ca_bundle = NULL;
    struct http_client_options http = {0};
    aws_http_settings(NULL, &http.allow_http, &ca_bundle);
    *aws = (struct function_aws){.trust = http_trust_new(ca_bundle)};
    http.trust = aws->trust;
    http.clock = clock;
    aws->http = http_client_new(&http);
    const struct aws_client_options options = {
        .http = aws->http,
        .clock = clock,
        .credentials = settings->credentials.access_key ? &settings->credentials : NULL,
        .region = settings->region,
        .cancel_fd = cancel_fd,
    };
    aws->client = aws_client_new(&options, err);
    return aws->client != NULL;
}

void function_aws_close(struct function_aws *aws) {
    aws_client_destroy(aws->client);
    http_client_destroy(aws->http);
    http_trust_destroy(aws->trust);
    *aws = (struct function_aws){0};
}
