// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/array.h"

void broker_headers_add(struct broker_headers *headers, const char *name, struct slice value) {
    enum { ROOM = ARRAY_LENGTH(headers->list) };
    if (headers->count < ROOM && value.len > 0) {
        headers->list[headers->count++] =
            (struct http_header){.name = slice_text(name), .value = value};
    }
}

void broker_headers_forward(struct broker_headers *headers, const struct broker_request *request) {
    // No Accept-Encoding: what passes is read here, and counted.
    static const char *const forwarded[] = {
        "Accept", "Content-Type", "User-Agent", "X-Request-Id", "Range", "If-Range",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(forwarded); i++) {
        broker_headers_add(headers, forwarded[i], broker_request_header(request, forwarded[i]));
    }
}

void broker_headers_add_job_token(struct broker_headers *headers, const struct job *job) {
    broker_headers_add(headers, "JOB-TOKEN", secret_expose(job->token));
}

bool broker_admit(struct broker_request *request) {
    const struct job *job = broker_job(request->broker);
    struct slice token = broker_request_header(request, "JOB-TOKEN");
    if (!job || request->id != job->identity.job_id || !job_has_token(job, token)) {
        broker_request_refuse(request, MHD_HTTP_FORBIDDEN, "403 Forbidden");
        return false;
    }
    broker_request_trust(request);
    return true;
}

char *broker_forward_path(const struct broker_request *request) {
    struct slice path = slice_skip(request->path, strlen("/api/v4"));
    return xasprintf("%" SLICE_FORMAT "%s%" SLICE_FORMAT, SLICE_ARGUMENTS(path),
                     request->query.len > 0 ? "?" : "", SLICE_ARGUMENTS(request->query));
}
