// SPDX-License-Identifier: Apache-2.0
#include "common/aws/credentials.h"

#include <stdlib.h>

#include "common/system/environment.h"

void aws_credentials_clean_up(struct aws_credentials *credentials) {
    free(credentials->access_key);
    secret_destroy(credentials->secret_key);
    secret_destroy(credentials->session_token);
    *credentials = (struct aws_credentials){0};
}

struct aws_credentials aws_credentials_make(struct slice access_key, struct slice secret_key,
                                            struct slice session_token) {
    return (struct aws_credentials){
        .access_key = slice_copy(access_key),
        .secret_key = secret_new(secret_key),
        .session_token = session_token.len > 0 ? secret_new(session_token) : NULL,
    };
}

bool aws_credentials_from_environment(struct aws_credentials *credentials, struct error *err) {
    *credentials = (struct aws_credentials){0};
    const char *access_key = environment_value("AWS_ACCESS_KEY_ID");
    const char *secret_key = environment_value("AWS_SECRET_ACCESS_KEY");
    if (!access_key || !secret_key) {
        return error_set(err, "credentials",
                         "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set");
    }
    *credentials = aws_credentials_make(slice_text(access_key), slice_text(secret_key),
                                        slice_text(environment_value("AWS_SESSION_TOKEN")));
    return true;
}
