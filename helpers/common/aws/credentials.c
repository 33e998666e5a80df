// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "common/alloc.h"
#include "common/aws/calls.h"

void aws_credentials_clean_up(struct aws_credentials *credentials) {
    free(credentials->access_key);
    secret_destroy(credentials->secret_key);
    secret_destroy(credentials->session_token);
    *credentials = (struct aws_credentials){0};
}

bool aws_credentials_from_environment(struct aws_credentials *credentials, struct error *err) {
    *credentials = (struct aws_credentials){0};
    const char *access_key = getenv("AWS_ACCESS_KEY_ID");
    const char *secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");
    if (!access_key || access_key[0] == '\0' || !secret_key || secret_key[0] == '\0') {
        return error_set(err, "credentials",
                         "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set");
    }
    credentials->access_key = xstrdup(access_key);
    credentials->secret_key = secret_new(slice_text(secret_key));
    credentials->session_token = token && token[0] != '\0' ? secret_new(slice_text(token)) : NULL;
    return true;
}
