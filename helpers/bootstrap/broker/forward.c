// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "bootstrap/broker/state.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/http/http_head.h"

void broker_headers_add(struct broker_headers *headers, const char *name, struct slice value) {
    enum { ROOM = ARRAY_LENGTH(headers->list) };
    if (headers->count < ROOM && value.len > 0) {
        headers->list[headers->count++] =
            (struct http_header){.name = slice_text(name), .value = value};
    }
}

void broker_headers_forward(struct broker_headers *headers,
                            const struct http_server_request *request) {
    // No Accept-Encoding: what passes is read here, and counted.
    static const char *const forwarded[] = {
        "Accept", "Content-Type", "User-Agent", "X-Request-Id", "Range", "If-Range",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(forwarded); i++) {
        broker_headers_add(headers, forwarded[i], http_server_header(request, forwarded[i]));
    }
}

void broker_headers_add_job_token(struct broker_headers *headers, const struct job *job) {
    broker_headers_add(headers, "JOB-TOKEN", secret_expose(job->token));
}

struct gitlab_patience broker_patience(const struct broker *broker, int64_t limit_ms) {
    return (struct gitlab_patience){
        .until_ms = clock_now_ms(broker->clock) + limit_ms,
        .cancel_fd = broker->close_fd,
    };
}

/// How seldom GitLab lets the runner send its trace.
static void limit_interval(struct http_server_request *request, struct slice head) {
    const struct slice name = SLICE("X-GitLab-Trace-Update-Interval");
    struct slice value;
    int64_t seconds;
    if (http_head_find(head, name, &value) && slice_parse_integer(value, &seconds) &&
        seconds > BROKER_LONGEST_INTERVAL_S) {
        cleanup_free char *longest = xasprintf("%d", BROKER_LONGEST_INTERVAL_S);
        http_server_add_header(request, name, slice_text(longest));
    }
}

void broker_pass_headers(struct http_server_request *request, struct slice head) {
    limit_interval(request, head);
    http_server_pass_headers(request, head);
}

bool broker_answer_like(struct http_server_request *request, struct http_response *response) {
    broker_pass_headers(request, buffer_slice(&response->head));
    return http_server_answer(request, (unsigned)response->status, &response->body);
}

bool broker_admit(struct http_server_request *request) {
    const struct job *job = broker_job(broker_of(request));
    struct slice token = http_server_header(request, "JOB-TOKEN");
    if (!job || request->number != job->identity.job_id || !job_has_token(job, token)) {
        http_server_refuse(request, 403, "403 Forbidden");
        return false;
    }
    http_server_trust(request);
    return true;
}

// --- Paths -------------------------------------------------------------------------------------

/// What gitlab-runner sends of them (network/gitlab.go), with the routes for trace and artifacts.
static const char *const parameters[] = {
    "artifact_format", "artifact_type", "expire_in", "direct_download", "debug_trace",
};

/// Appends "?name=value" or "&name=value" for the first of that name, as it is.
static void append_parameter(struct buffer *path, struct slice query, struct slice name) {
    const char separator = slice_find(buffer_slice(path), '?') < path->len ? '&' : '?';
    struct slice pair;
    while (slice_split(&query, '&', &pair)) {
        struct slice value = pair;
        struct slice own_name;
        if (slice_split(&value, '=', &own_name) && slice_equal(own_name, name)) {
            buffer_append_byte(path, separator);
            buffer_append(path, pair);
            return;
        }
    }
}

char *broker_forward_path(const struct http_server_request *request) {
    cleanup_buffer struct buffer path = BUFFER_INIT(request->path.len + request->query.len + 1);
    buffer_append(&path, slice_skip(request->path, strlen("/api/v4")));
    for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++) {
        append_parameter(&path, request->query, slice_text(parameters[i]));
    }
    return slice_copy(buffer_slice(&path));
}
