// SPDX-License-Identifier: Apache-2.0
/// Downloads to a file that go on where they were cut.
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http_head.h"
#include "common/http/http_transfer.h"

struct state {
    const struct http_download *download;
    /// Bytes of the file that are good.
    int64_t offset;
    /// Of the first answer, to see that it is still the same file; empty where there was none.
    struct buffer etag;
    /// The attempt under way.
    struct http_transfer transfer;
    /// The answer's head was looked at, and whether its body is what we want.
    bool decided;
    bool wanted;
    int64_t total;
};

/// "bytes 100-199/200" or "bytes 100-199/*"
static bool parse_content_range(struct slice value, int64_t *start, int64_t *total) {
    struct slice rest = slice_skip(value, 6);
    struct slice part;
    if (!slice_starts_with(value, SLICE("bytes ")) || !slice_split(&rest, '-', &part) ||
        !slice_parse_integer(part, start) || !slice_split(&rest, '/', &part)) {
        return false;
    }
    if (!rest.data || !slice_parse_integer(rest, total)) {
        *total = -1;
    }
    return true;
}

/// Looks at the head of the answer before its first byte is taken.
static void decide(struct state *state) {
    const struct slice head = buffer_slice(&state->transfer.head);
    struct slice value;
    int64_t start = 0;
    state->decided = true;
    state->total = -1;
    if (state->transfer.status == 206) {
        state->wanted = http_head_find(head, SLICE("Content-Range"), &value) &&
                        parse_content_range(value, &start, &state->total) && start == state->offset;
    } else if (state->transfer.status == 200) {
        // All of it again: the server knows no ranges, or the file has changed.
        state->wanted = true;
        state->offset = 0;
        int64_t length = 0;
        if (http_head_find(head, SLICE("Content-Length"), &value) &&
            slice_parse_integer(value, &length)) {
            state->total = length;
        }
    }
    if (state->wanted && http_head_find(head, SLICE("ETag"), &value) &&
        !slice_starts_with(value, SLICE("W/"))) {
        buffer_reset(&state->etag);
        buffer_append(&state->etag, value);
    }
}

static bool write_at(struct state *state, struct slice bytes) {
    const struct http_download *download = state->download;
    struct error *failure = &state->transfer.failure;
    if (download->max_size > 0 && state->offset + (int64_t)bytes.len > download->max_size) {
        return error_set(failure, "too_large", "the file is larger than %lld bytes",
                         (long long)download->max_size);
    }
    while (bytes.len > 0) {
        const ssize_t count = pwrite(download->fd, bytes.data, bytes.len, (off_t)state->offset);
        if (count < 0 && errno != EINTR) {
            return error_errno(failure, errno, "cannot write what is downloaded");
        }
        const size_t written = count > 0 ? (size_t)count : 0;
        state->offset += (int64_t)written;
        bytes = slice_skip(bytes, written);
    }
    return true;
}

static size_t take(void *context, const char *data, size_t size) {
    struct state *state = context;
    if (!state->decided) {
        decide(state);
    }
    if (!state->wanted) {
        return size; // The body of an error: nobody needs it.
    }
    if (!write_at(state, slice_make(data, size))) {
        return 0;
    }
    if (state->download->progress) {
        state->download->progress(state->download->context, state->offset, state->total);
    }
    return size;
}

/// One attempt, from `offset` on. `*status` is 0 where there was no answer. The transfer is
/// released by the caller.
static bool attempt(struct state *state, struct http_client *client,
                    const struct http_request *request, struct buffer *head, int *status,
                    struct error *err) {
    cleanup_free struct http_header *headers = xcalloc(request->header_count + 2, sizeof(*headers));
    size_t count = 0;
    for (; count < request->header_count; count++) {
        headers[count] = request->headers[count];
    }
    cleanup_free char *range = xasprintf("bytes=%lld-", (long long)state->offset);
    if (state->offset > 0) {
        headers[count++] = (struct http_header){SLICE("Range"), slice_text(range)};
    }
    if (state->offset > 0 && state->etag.len > 0) {
        headers[count++] = (struct http_header){SLICE("If-Range"), buffer_slice(&state->etag)};
    }
    struct http_request with_range = *request;
    with_range.headers = headers;
    with_range.header_count = count;

    struct http_transfer *transfer = &state->transfer;
    if (!http_transfer_init(transfer, client, &with_range, err)) {
        return false;
    }
    state->decided = false;
    state->wanted = false;
    transfer->take_body = take;
    transfer->context = state;
    (void)curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (!http_transfer_start(transfer, err) || !http_transfer_drive(transfer, NULL, NULL, err) ||
        !http_transfer_result(transfer, err)) {
        return false;
    }
    if (!state->decided) {
        decide(state); // There was no body.
    }
    *status = transfer->status;
    buffer_reset(head);
    buffer_append(head, buffer_slice(&transfer->head));
    if (!state->wanted) {
        return error_set(err, "status", "%s: the server answered %d", transfer->what,
                         transfer->status);
    }
    return true;
}

/// The server does not have our range, or gave another: what we have is not the beginning of what
/// it has.
static bool must_begin_anew(const struct state *state, int status) {
    return state->offset > 0 && (status == 416 || status == 206);
}

bool http_download(struct http_client *client, const struct http_request *request,
                   const struct http_retry *retry, const struct http_download *download,
                   struct error *err) {
    cleanup_buffer struct buffer head = BUFFER_INIT(SIZE_MAX / 4);
    struct state state = {
        .download = download, .offset = download->resume_from, .etag = BUFFER_INIT(1024)};
    struct http_attempts attempts = {.client = client, .request = request, .retry = retry};
    bool done = false;
    bool again = true;
    while (again) {
        int status = 0;
        bool canceled = false;
        done = attempt(&state, client, request, &head, &status, err);
        http_transfer_clean_up(&state.transfer);
        if (download->status) {
            *download->status = status;
        }
        if (done) {
            break;
        }
        if (must_begin_anew(&state, status)) {
            state.offset = 0;
            continue;
        }
        again = http_attempts_again(&attempts, status, buffer_slice(&head), err, &canceled);
        if (canceled) {
            error_set(err, "canceled", "%s: canceled before it was sent again", request->method);
        }
    }
    buffer_clean_up(&state.etag);
    if (done && ftruncate(download->fd, (off_t)state.offset) != 0) {
        return error_errno(err, errno, "cannot truncate the file to its size");
    }
    return done;
}
