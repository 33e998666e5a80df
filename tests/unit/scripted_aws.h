// SPDX-License-Identifier: Apache-2.0
/// A client of AWS services for tests, whose service is the scripted server.
#pragma once

#include <signal.h>

#include "common/alloc.h"
#include "common/aws/calls.h"
#include "common/cleanup.h"
#include "scripted_server.h"

static struct error err;
static struct fake_clock fake;
static struct http_client *http;
static struct aws_credentials credentials;
static struct aws_client *aws;

/// A client of the scripted server, which is started already.
static void make_client(void) {
    const struct http_client_options options = {
        .allow_http = true, .no_proxy = true, .clock = &fake.clock};
    http = http_client_new(&options);
    ck_assert(aws_credentials_from_environment(&credentials, &err));
    cleanup_free char *url = xasprintf("http://127.0.0.1:%d", server.port);
    const struct aws_client_options aws_options = {
        .http = http, .clock = &fake.clock, .endpoint = {.url = url}};
    aws = aws_client_new(&aws_options, &err);
    ck_assert_msg(aws != NULL, "%s", err.message);
}

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    fake_clock_init(&fake, 1440938160000); // 2015-08-30T12:36:00Z
    clearenv();
    setenv("AWS_REGION", "us-east-1", 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
}

static void tear_down(void) {
    aws_client_destroy(aws);
    http_client_destroy(http);
    aws_credentials_clean_up(&credentials);
    aws = NULL;
    http = NULL;
}

static bool request_has(size_t index, const char *text) {
    return strstr(buffer_text(&server.requests[index]), text) != NULL;
}
