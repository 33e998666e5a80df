// SPDX-License-Identifier: Apache-2.0
/// An HTTP/1.1 client over libcurl: whole requests with retries, downloads that resume, and
/// exchanges that stream both ways in constant memory.
///
/// A client keeps its connections and belongs to one thread at a time; what several may share is
/// the trust store. Codes of its errors: "url" (bad, or a protocol that is not allowed), "dns",
/// "connect", "tls", "certificate" (not trusted), "timeout", "cut" (the connection ended early),
/// "too_large", "canceled", "protocol" (no sensible HTTP). Messages name the URL without user
/// information and query, and never a header's value.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/slice.h"

// --- Trust -----------------------------------------------------------------------------------

/// The certificates that servers are checked against: those of the system (SSL_CERT_FILE, else
/// /etc/pki/tls/certs/ca-bundle.crt, else /etc/ssl/certs/ca-certificates.crt) and an extra file.
/// Read when the first https connection needs them. May be shared by clients in several threads.
struct http_trust;

/// `extra_ca_file` (may be NULL) is added to the system's certificates, not put in their place.
struct http_trust *http_trust_new(const char *extra_ca_file) __attribute__((returns_nonnull));
/// To be called after all its clients are gone; NULL is fine.
void http_trust_destroy(struct http_trust *trust);
/// The system's file as described above; NULL where there is none.
const char *http_system_ca_file(void);

// --- Client ----------------------------------------------------------------------------------

/// A name that is not looked up but has these addresses.
struct http_host {
    const char *name;
    /// Separated by commas: "10.0.0.7,fd00::7".
    const char *addresses;
};

/// Zeroed is fine: https only, the system's certificates, proxies as in the environment.
struct http_client_options {
    /// Borrowed for the client's life; NULL: one of its own with the system's certificates.
    struct http_trust *trust;
    /// Borrowed; NULL: the system's.
    struct clock *clock;
    /// Copied.
    const struct http_host *hosts;
    size_t host_count;
    /// "runlet/<version>" where NULL; copied.
    const char *user_agent;
    /// Plain http is allowed as well as https.
    bool allow_http;
    /// https_proxy and its like in the environment are ignored.
    bool no_proxy;
};

struct http_client;
#define cleanup_http_client __attribute__((cleanup(http_client_destroyp)))

struct http_client *http_client_new(const struct http_client_options *options)
    __attribute__((returns_nonnull));
/// Closes the connections. All its exchanges must be destroyed before.
void http_client_destroy(struct http_client *client);
void http_client_destroyp(struct http_client **client);

// --- Whole requests --------------------------------------------------------------------------

struct http_header {
    struct slice name;
    struct slice value;
};

/// What to send. Everything is borrowed for the time of the call (of an exchange: of
/// http_exchange_start). Zeroed fields mean: no headers, no body, no limit.
struct http_request {
    const char *method;
    const char *url;
    /// Host, Content-Length, Transfer-Encoding are made from the rest; Host may be given.
    const struct http_header *headers;
    size_t header_count;
    /// Sent if it is not empty, or if the method is POST, PUT or PATCH.
    struct slice body;
    /// For the connection alone, TLS included; 10 s where 0.
    int64_t connect_timeout_ms;
    /// For one attempt as a whole; 0: none.
    int64_t timeout_ms;
    /// Fails with "timeout" when nothing moves for so long while we wait; 0: none.
    int64_t stall_timeout_ms;
    /// Unix epoch; for everything, retries and their pauses included; 0: none.
    int64_t deadline_ms;
    /// Fails with "canceled" as soon as this is readable; 0 or less: none. It is not read from.
    int cancel_fd;
    /// Redirects to follow, to the allowed protocols only; 0: none, the 3xx is the answer.
    unsigned max_redirects;
};

struct http_response {
    int status;
    /// The last answer's header lines, for http_response_header().
    struct buffer head;
    /// Its `max` is the limit of the body that is read.
    struct buffer body;
    /// Where the last attempt failed when the answer had begun, so that a part of its body is
    /// there: its status; else 0.
    int cut_status;
};
#define cleanup_http_response __attribute__((cleanup(http_response_clean_up)))

void http_response_init(struct http_response *response, size_t max_body);
void http_response_clean_up(struct http_response *response);
/// The (first) header of that name, trimmed; false where there is none.
bool http_response_header(const struct http_response *response, const char *name,
                          struct slice *value);
/// The Retry-After header in milliseconds from now, seconds or date; false where there is none.
bool http_response_retry_after(const struct http_response *response, struct clock *clock,
                               int64_t *wait_ms);

/// A failed attempt that will be repeated, for those who want to tell somebody.
struct http_attempt {
    const char *url;
    /// 1 for the first.
    unsigned number;
    /// The answer's status, or 0 where there was none and `error` says why.
    int status;
    const struct error *error;
    int64_t wait_ms;
};

/// When to send a request again. The pause before repetition n is random between half and all of
/// base * 2^(n-1), at most the cap; a Retry-After header wins if it is longer, at most
/// `retry_after_cap_ms`. What cannot be done before the deadline is not waited for.
struct http_retry {
    /// All attempts; 0 and 1 mean no repetition.
    unsigned attempts;
    int64_t base_ms;
    int64_t cap_ms;
    int64_t retry_after_cap_ms;
    /// Statuses to repeat on, ended by 0; NULL: 408, 429, 500, 502, 503, 504.
    /// Of failures without an answer, all are repeated but "url", "certificate", "too_large",
    /// "canceled".
    const int *statuses;
    /// May be NULL.
    void (*notify)(void *context, const struct http_attempt *attempt);
    void *context;
};

/// Sends a request and reads the whole answer into `response`, initialised by the caller and
/// emptied here. True if there was an answer, whatever its status. `retry` may be NULL.
bool http_send(struct http_client *client, const struct http_request *request,
               const struct http_retry *retry, struct http_response *response, struct error *err);

// --- Downloads -------------------------------------------------------------------------------

struct http_download {
    /// Opened for writing, borrowed; it begins with `resume_from` good bytes of an earlier try, the
    /// rest is overwritten and cut off.
    int fd;
    int64_t resume_from;
    /// Fails with "too_large" beyond; 0: none.
    int64_t max_size;
    /// Gets the last answer's status, 0 where there was none. May be NULL.
    int *status;
    /// Called as it goes on; `total` is -1 where the server does not say. May be NULL.
    void (*progress)(void *context, int64_t received, int64_t total);
    void *context;
};

/// Downloads to a file; goes on where it was cut with a Range request, or begins anew where the
/// server or the file changed in between. Any status but 200 and 206 at the end is a failure with
/// the code "status" (the message has the number). The caller checks the content.
bool http_download(struct http_client *client, const struct http_request *request,
                   const struct http_retry *retry, const struct http_download *download,
                   struct error *err);

// --- Exchanges that stream ------------------------------------------------------------------

/// For http_exchange_start: a body of unknown length (chunked), or none at all.
enum { HTTP_BODY_CHUNKED = -1 };
enum { HTTP_BODY_NONE = -2 };

/// One request whose body is pushed and whose answer is pulled, piece by piece, by one thread. Each
/// call drives the transfer until its own part is done. No retries; `body` of the request is not
/// used. While nobody calls, nothing moves, and memory stays the same.
///
/// start -> send ... -> finish_body -> status -> header ... -> read ... -> destroy
struct http_exchange;
#define cleanup_http_exchange __attribute__((cleanup(http_exchange_destroyp)))

/// Begins it; nothing is sent before the next call. NULL on failure. `body_length` is the number of
/// bytes that will be pushed, or one of the two above.
struct http_exchange *http_exchange_start(struct http_client *client,
                                          const struct http_request *request, int64_t body_length,
                                          struct error *err);
/// Ends it at once wherever it is, and closes its connection if it is not finished; NULL is fine.
void http_exchange_destroy(struct http_exchange *exchange);
void http_exchange_destroyp(struct http_exchange **exchange);

/// Returns when all of `chunk` is taken by the connection. True also, and the rest is dropped, when
/// the server has answered without waiting for the whole body: http_exchange_answered().
bool http_exchange_send(struct http_exchange *exchange, struct slice chunk, struct error *err);
/// Says that the body is complete. Fails ("protocol") where fewer bytes were sent than announced.
bool http_exchange_finish_body(struct http_exchange *exchange, struct error *err);
/// True once the final answer's headers are in (1xx does not count); does not drive.
bool http_exchange_answered(const struct http_exchange *exchange);
/// Waits for the answer's headers; call after http_exchange_finish_body() or when answered.
bool http_exchange_status(struct http_exchange *exchange, int *status, struct error *err);
/// The answer's header lines, for http_head_next() and http_head_find(); valid as long as the
/// exchange.
struct slice http_exchange_head(const struct http_exchange *exchange);
/// Waits for some of the answer's body: `*got` bytes, at most `size`; 0 at its end. Fails ("cut")
/// if the connection ended before the body did.
bool http_exchange_read(struct http_exchange *exchange, void *data, size_t size, size_t *got,
                        struct error *err);

// --- URLs -----------------------------------------------------------------------------------

/// Tells whether the URL is http or https to a loopback host: localhost, 127.0.0.0/8, ::1.
bool http_url_is_loopback(const char *url);
/// Appends the URL without user information, query and fragment, for messages.
void http_url_append_plain(struct buffer *out, const char *url);
