// SPDX-License-Identifier: Apache-2.0
/// Reads one value from AWS, for tests of the AWS client against a server that is not ours:
/// aws-read secret|parameter ID. Prints the value, or "<code>: <message>" on stderr.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/aws/secrets.h"
#include "common/system/files.h"

static bool run(const char *kind, const char *id, struct error *err) {
    bool allow_http = false;
    const char *ca_bundle = NULL;
    aws_http_settings(NULL, &allow_http, &ca_bundle);
    struct http_trust *trust = http_trust_new(ca_bundle);
    const struct http_client_options http_options = {.trust = trust, .allow_http = allow_http};
    struct http_client *http = http_client_new(&http_options);
    cleanup_aws_credentials struct aws_credentials credentials = {0};
    struct aws_client *client = NULL;
    if (aws_credentials_from_environment(&credentials, err)) {
        const struct aws_client_options options = {.http = http};
        client = aws_client_new(&options, err);
    }
    struct secret *value = NULL;
    if (client != NULL) {
        value = strcmp(kind, "secret") == 0
                    ? aws_secrets_get_value(client, &credentials, id, 0, err)
                    : aws_ssm_get_parameter(client, &credentials, id, 0, err);
    }
    const bool done =
        value != NULL && files_write_fd(STDOUT_FILENO, "stdout", secret_expose(value), err);
    secret_destroy(value);
    aws_client_destroy(client);
    http_client_destroy(http);
    http_trust_destroy(trust);
    return done;
}

int main(int argc, char **argv) {
    struct error err;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: aws-read secret|parameter ID\n");
        return 2;
    }
    if (!run(argv[1], argv[2], &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.code, err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
