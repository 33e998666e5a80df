// SPDX-License-Identifier: Apache-2.0
/// Gets one object of S3, for tests of the AWS client against a server that is not ours:
/// aws-get BUCKET KEY FILE, or aws-get BUCKET KEY for its URL alone. Prints the URL, or
/// "<code>: <message>" on stderr.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/aws/s3.h"
#include "common/cleanup.h"

static bool get(const struct aws_client *client, const struct aws_credentials *credentials,
                const struct aws_s3_object *object, const char *file, struct error *err) {
    cleanup_buffer struct buffer url = BUFFER_INIT(8192);
    if (!aws_s3_url(client, object, &url, err)) {
        return false;
    }
    (void)printf("%s\n", buffer_text(&url));
    if (file == NULL) {
        return true;
    }
    cleanup_close int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const struct http_download download = {.fd = fd};
    return aws_s3_download(client, credentials, object, &download, 0, err);
}

static bool run(const struct aws_s3_object *object, const char *file, struct error *err) {
    bool allow_http = false;
    const char *ca_bundle = NULL;
    aws_http_settings(NULL, &allow_http, &ca_bundle);
    struct http_trust *trust = http_trust_new(ca_bundle);
    const struct http_client_options http_options = {.trust = trust, .allow_http = allow_http};
    struct http_client *http = http_client_new(&http_options);
    cleanup_aws_credentials struct aws_credentials credentials = {0};
    const struct aws_client_options options = {.http = http};
    struct aws_client *client = aws_client_new(&options, err);
    const bool done = client != NULL && aws_credentials_from_environment(&credentials, err) &&
                      get(client, &credentials, object, file, err);
    aws_client_destroy(client);
    http_client_destroy(http);
    http_trust_destroy(trust);
    return done;
}

int main(int argc, char **argv) {
    struct error err;
    if (argc != 3 && argc != 4) {
        (void)fprintf(stderr, "usage: aws-get BUCKET KEY [FILE]\n");
        return 2;
    }
    const struct aws_s3_object object = {.bucket = argv[1], .key = argv[2]};
    if (!run(&object, argv[3], &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.code, err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
