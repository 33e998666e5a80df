// SPDX-License-Identifier: Apache-2.0
/// The job role's session, where the AWS SDKs look for the credentials of a container.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
#include "bootstrap/broker/state.h"
#include "common/log.h"

/// Only while the job runs, and only for who shows this invocation's token.
void broker_credentials_begin(struct http_server_request *request) {
    struct broker *broker = broker_of(request);
    struct slice shown = http_server_header(request, "Authorization");
    if (!broker->session || !secret_equals(broker->credentials_token, shown)) {
        http_server_refuse(request, 403, "403 Forbidden");
        return;
    }
    if (!broker_job(broker) || broker_is_finished(broker) || broker_is_closed(broker)) {
        http_server_refuse(request, 403, "403 Forbidden: no job is running");
        return;
    }
    http_server_trust(request);
}

/// An SDK shows people the message of {"code": ..., "message": ...}.
static bool answer_error(struct http_server_request *request, const struct error *err) {
    struct buffer body = BUFFER_INIT(BROKER_LARGEST_SESSION);
    buffer_append_byte(&body, '{');
    json_append_member(&body, "code", slice_text(err->code));
    json_append_member(&body, "message", slice_text(err->message));
    buffer_append_byte(&body, '}');
    // Not 5xx, which SDKs repeat many times: we did already.
    return http_server_answer_json(request, 400, &body);
}

bool broker_credentials_finish(struct http_server_request *request) {
    struct broker *broker = broker_of(request);
    const struct job *job = broker_job(broker);
    struct buffer body = BUFFER_INIT_SENSITIVE(BROKER_LARGEST_SESSION);
    struct error err;
    if (!job_session_print(broker->session, job, broker->stop_fd, &body, &err)) {
        buffer_clean_up(&body);
        return answer_error(request, &err);
    }
    return http_server_answer_json(request, 200, &body);
}
