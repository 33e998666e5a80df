// SPDX-License-Identifier: Apache-2.0
#include "common/aws/calls.h"

#include <limits.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/sign.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/system/environment.h"
#include "common/timestamp.h"
#include "common/xml.h"

enum {
    DEFAULT_ATTEMPTS = 3,
    MOST_ATTEMPTS = 10,
    ATTEMPT_TIMEOUT_MS = 20000,
    LONGEST_BACKOFF_MS = 20000,
    /// Services take signatures that are five minutes off.
    TOLERATED_SKEW_MS = 4 * 60 * 1000,
};

struct aws_client {
    struct http_client *http;
    struct clock *clock;
    /// Resolved; its texts are the client's own.
    struct aws_endpoint endpoint;
    char *region;
    char *url;
    unsigned max_attempts;
    unsigned repetitions_left;
    int cancel_fd;
    /// How far the service's clock is ahead of ours, as far as that matters.
    int64_t skew_ms;
};

static unsigned attempts_from_environment(void) {
    int64_t number = 0;
    const char *value = environment_value("AWS_MAX_ATTEMPTS");
    const bool valid = value && slice_parse_integer(slice_text(value), &number) && number > 0;
    if (!valid) {
        return DEFAULT_ATTEMPTS;
    }
    return number < MOST_ATTEMPTS ? (unsigned)number : MOST_ATTEMPTS;
}

struct aws_client *aws_client_new(const struct aws_client_options *options, struct error *err) {
    struct aws_endpoint endpoint = options->endpoint;
    if (!aws_endpoint_resolve(&endpoint, err)) {
        return NULL;
    }
    struct aws_client *client = xcalloc(1, sizeof(*client));
    client->http = options->http;
    client->clock = options->clock ? options->clock : clock_system();
    client->region = xstrdup(endpoint.region);
    client->url = endpoint.url ? xstrdup(endpoint.url) : NULL;
    client->endpoint = endpoint;
    client->endpoint.region = client->region;
    client->endpoint.url = client->url;
    client->max_attempts = attempts_from_environment();
    client->repetitions_left = options->max_repetitions > 0 ? options->max_repetitions : UINT_MAX;
    client->cancel_fd = options->cancel_fd;
    client->skew_ms = options->skew_ms;
    return client;
}

void aws_client_destroy(struct aws_client *client) {
    if (client) {
        free(client->region);
        free(client->url);
        free(client);
    }
}

void aws_client_destroyp(struct aws_client **client) {
    aws_client_destroy(*client);
}

const struct aws_endpoint *aws_client_endpoint(const struct aws_client *client) {
    return &client->endpoint;
}

struct http_client *aws_client_http(const struct aws_client *client) {
    return client->http;
}

int64_t aws_client_skew_ms(const struct aws_client *client) {
    return client->skew_ms;
}

int64_t aws_client_now_ms(const struct aws_client *client) {
    return clock_now_ms(client->clock) + client->skew_ms;
}

// --- The request ------------------------------------------------------------------------------

/// The client's endpoint, in the region of the request.
static struct aws_endpoint endpoint_of(const struct aws_client *client,
                                       const struct aws_request *request) {
    struct aws_endpoint endpoint = client->endpoint;
    endpoint.region = request->region ? request->region : endpoint.region;
    return endpoint;
}

static bool send_once(const struct aws_client *client, const struct aws_request *request,
                      const char *url, struct http_response *response, int64_t deadline_ms,
                      struct error *err) {
    const bool is_json = request->protocol == AWS_JSON_1_1;
    const struct http_header own[] = {
        {SLICE("Content-Type"), is_json
                                    ? SLICE("application/x-amz-json-1.1")
                                    : SLICE("application/x-www-form-urlencoded; charset=utf-8")},
        {SLICE("X-Amz-Target"), slice_text(request->target)},
    };
    const struct aws_sign sign = {
        .credentials = request->credentials,
        .service = request->service,
        .region = endpoint_of(client, request).region,
        .now_ms = aws_client_now_ms(client),
        .method = "POST",
        .url = url,
        .headers = own,
        .header_count = is_json ? 2 : 1,
        .body = request->body,
    };
    cleanup_aws_signed_headers struct aws_signed_headers headers;
    if (!aws_sign_headers(&sign, &headers, err)) {
        return false;
    }
    const struct http_request http_request = {
        .method = sign.method,
        .url = url,
        .headers = headers.items,
        .header_count = headers.count,
        .body = request->body,
        .connect_timeout_ms = AWS_CONNECT_TIMEOUT_MS,
        .timeout_ms = ATTEMPT_TIMEOUT_MS,
        .deadline_ms = deadline_ms,
        .cancel_fd = client->cancel_fd,
    };
    return http_send(client->http, &http_request, NULL, response, err);
}

// --- The answer -------------------------------------------------------------------------------

/// The operation's name, for messages.
static struct slice operation_of(const struct aws_request *request) {
    if (request->protocol == AWS_JSON_1_1) {
        const struct slice target = slice_text(request->target);
        return slice_skip(target, slice_find(target, '.') + 1);
    }
    struct slice rest = request->body;
    struct slice part;
    while (slice_split(&rest, '&', &part)) {
        if (slice_starts_with(part, SLICE("Action="))) {
            return slice_skip(part, 7);
        }
    }
    return SLICE("call");
}

/// "com.amazonaws.ssm#ParameterNotFound:http://..." is ParameterNotFound.
static struct slice bare_code(struct slice code) {
    const size_t hash = slice_find(code, '#');
    code = hash < code.len ? slice_skip(code, hash + 1) : code;
    return slice_make(code.data, slice_find(code, ':'));
}

static void first_string(const struct json *object, const char *const *keys, struct buffer *out) {
    for (; *keys && out->len == 0; keys++) {
        struct slice text;
        struct error ignored;
        if (json_has(object, *keys) && json_get_string(object, *keys, &text, &ignored)) {
            buffer_append(out, text);
        }
    }
}

static void parse_json_error(struct slice body, struct buffer *code, struct buffer *message) {
    static const char *const code_keys[] = {"__type", "code", "Code", NULL};
    static const char *const message_keys[] = {"message", "Message", "errorMessage", NULL};
    cleanup_json_document struct json_document document = {0};
    struct error ignored;
    if (json_parse(body, "answer", &document, &ignored) &&
        json_as_object(&document.root, &ignored)) {
        // The query protocol's answers in JSON hold it one level deeper.
        struct json object = document.root;
        (void)(json_has(&document.root, "Error") &&
               json_get_object(&document.root, "Error", &object, &ignored));
        if (code->len == 0) {
            first_string(&object, code_keys, code);
        }
        first_string(&object, message_keys, message);
    }
}

static void parse_xml_error(struct slice body, struct buffer *code, struct buffer *message) {
    struct error ignored;
    if (!xml_element_text(body, "Code", code, &ignored)) {
        buffer_reset(code);
    }
    if (!xml_element_text(body, "Message", message, &ignored)) {
        buffer_reset(message);
    }
}

/// What of a service's message may be shown. Some show in a refusal what they made of the request,
/// headers and all: only the first line, and that only where it repeats nothing secret.
static struct slice presentable(const struct aws_request *request, struct slice message) {
    const struct aws_credentials *keys = request->credentials;
    const struct slice secrets[] = {
        SLICE("Signature="), keys ? secret_expose(keys->secret_key) : SLICE(""),
        keys ? secret_expose(keys->session_token) : SLICE(""), secret_expose(request->secret)};
    message = slice_trim(message);
    message = slice_trim(slice_make(message.data, slice_find(message, '\n')));
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
        if (secrets[i].len > 0 &&
            memmem(message.data, message.len, secrets[i].data, secrets[i].len)) {
            return SLICE("its message is not shown, as it repeats a secret of the request");
        }
    }
    return message.len > 0 ? message : SLICE("no message");
}

/// Sets the error for an answer that names none: it may come from a proxy, or another server.
static bool nameless_error(const struct aws_request *request, const char *url,
                           const struct http_response *response, struct error *err) {
    cleanup_buffer struct buffer plain_url = BUFFER_INIT(AWS_LONGEST_URL);
    http_url_append_plain(&plain_url, url);
    struct slice type;
    if (!http_response_header(response, "Content-Type", &type)) {
        type = SLICE("no Content-Type");
    }
    return error_set(err, "status",
                     "%s %" SLICE_FORMAT ": %s answered with status %d and no error of AWS's form "
                     "(%" SLICE_FORMAT ")",
                     request->service, SLICE_ARGUMENTS(operation_of(request)),
                     buffer_text(&plain_url), response->status, SLICE_ARGUMENTS(type));
}

/// Sets the error that an answer other than 2xx stands for.
static bool answer_error(const struct aws_request *request, const char *url,
                         const struct http_response *response, struct error *err) {
    cleanup_buffer struct buffer code = BUFFER_INIT(4096);
    cleanup_buffer struct buffer message = BUFFER_INIT(64 * 1024);
    struct slice header;
    if (http_response_header(response, "x-amzn-ErrorType", &header)) {
        buffer_append(&code, header);
    }
    const struct slice body = slice_trim(buffer_slice(&response->body));
    if (slice_starts_with(body, SLICE("<"))) {
        parse_xml_error(body, &code, &message);
    } else {
        parse_json_error(body, &code, &message);
    }
    const struct slice bare = bare_code(buffer_slice(&code));
    if (bare.len == 0) {
        return nameless_error(request, url, response, err);
    }
    const struct slice shown = presentable(request, buffer_slice(&message));
    char code_text[ERROR_CODE_SIZE];
    (void)snprintf(code_text, sizeof(code_text), "%" SLICE_FORMAT, SLICE_ARGUMENTS(bare));
    return error_set(err, code_text,
                     "%s %" SLICE_FORMAT ": %" SLICE_FORMAT ": %" SLICE_FORMAT " (status %d)",
                     request->service, SLICE_ARGUMENTS(operation_of(request)),
                     SLICE_ARGUMENTS(bare), SLICE_ARGUMENTS(shown), response->status);
}

// --- Repetition -------------------------------------------------------------------------------

static bool is_one_of(const struct error *err, const char *const *codes) {
    for (; codes && *codes; codes++) {
        if (error_is(err, *codes)) {
            return true;
        }
    }
    return false;
}

/// What the SDKs' standard mode repeats.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
static bool is_worth_repeating(const struct aws_request *request, int status,
                               const struct error *err) {
    static const char *const transient[] = {"dns", "connect",  "tls", "timeout",
                                            "cut", "protocol", NULL};
    static const char *const codes[] = {"RequestTimeout",
                                        "RequestTimeoutException",
                                        "PriorRequestNotComplete",
                                        "Throttling",
                                        "ThrottlingException",
                                        "ThrottledException",
                                        "RequestThrottledException",
                                        "RequestThrottled",
                                        "TooManyRequestsException",
                                        "ProvisionedThroughputExceededException",
                                        "TransactionInProgressException",
                                        "RequestLimitExceeded",
                                        "BandwidthLimitExceeded",
                                        "LimitExceededException",
                                        "SlowDown",
                                        "EC2ThrottledException",
                                        "InternalServiceError",
                                        NULL};
    if (status == 0) {
        return is_one_of(err, transient);
    }
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504 ||
           is_one_of(err, codes) || is_one_of(err, request->retryable_codes);
}

/// Sees whether the service refused the signature for its time, and takes the service's time from
/// then on.
static bool correct_skew(struct aws_client *client, const struct http_response *response,
                         const struct error *err) {
    static const char *const codes[] = {"RequestTimeTooSkewed",
                                        "RequestExpired",
                                        "RequestInTheFuture",
                                        "SignatureDoesNotMatch",
                                        "InvalidSignatureException",
                                        "AuthFailure",
                                        NULL};
    struct slice date;
    int64_t server_ms = 0;
    if (!is_one_of(err, codes) || !http_response_header(response, "Date", &date) ||
        !timestamp_parse_http(date, &server_ms)) {
        return false;
    }
    const int64_t skew_ms = server_ms - clock_now_ms(client->clock);
    const int64_t change_ms = skew_ms - client->skew_ms;
    if (change_ms < TOLERATED_SKEW_MS && change_ms > -TOLERATED_SKEW_MS) {
        return false;
    }
    client->skew_ms = skew_ms;
    return true;
}

/// Waits before attempt `number` + 1; false if there is no time for it.
static bool pause_before_next(const struct aws_client *client, unsigned number,
                              int64_t deadline_ms) {
    int64_t longest_ms = 1000;
    for (unsigned i = 1; i < number && longest_ms < LONGEST_BACKOFF_MS; i++) {
        longest_ms *= 2;
    }
    longest_ms = longest_ms < LONGEST_BACKOFF_MS ? longest_ms : LONGEST_BACKOFF_MS;
    const int64_t wait_ms = clock_random_up_to(client->clock, longest_ms);
    return wait_ms < clock_left_ms(client->clock, deadline_ms) &&
           clock_sleep_ms(client->clock, wait_ms, client->cancel_fd);
}

/// For --debug: where it went and what came of it, without a header or a body.
static void log_attempt(const struct aws_request *request, const char *url, unsigned number,
                        int status, const struct error *err) {
    if (log_enabled(LOG_LEVEL_DEBUG)) {
        cleanup_buffer struct buffer plain_url = BUFFER_INIT(AWS_LONGEST_URL);
        http_url_append_plain(&plain_url, url);
        log_debug("called a service", log_text("service", request->service),
                  log_slice("operation", operation_of(request)),
                  log_text("url", buffer_text(&plain_url)), log_int("attempt", number),
                  log_int("status", status), log_text("error", err ? err->code : ""));
    }
}

/// One attempt; `*status` is that of the answer, 0 where there was none.
static bool attempt(const struct aws_client *client, const struct aws_request *request,
                    const char *url, struct http_response *response, int64_t deadline_ms,
                    int *status, struct error *err) {
    *status = 0;
    if (!send_once(client, request, url, response, deadline_ms, err)) {
        return error_prefix(err, "%s %" SLICE_FORMAT, request->service,
                            SLICE_ARGUMENTS(operation_of(request)));
    }
    *status = response->status;
    return (*status >= 200 && *status < 300) || answer_error(request, url, response, err);
}

bool aws_call(struct aws_client *client, const struct aws_request *request,
              struct http_response *response, int64_t deadline_ms, struct error *err) {
    const struct aws_endpoint endpoint = endpoint_of(client, request);
    cleanup_buffer struct buffer text = BUFFER_INIT(AWS_LONGEST_URL);
    if (!aws_endpoint_url(&endpoint, request->service, request->endpoint_id, &text, err)) {
        return false;
    }
    const char *url = buffer_text(&text);
    bool skew_corrected = false;
    for (unsigned number = 1;; number++) {
        int status = 0;
        const bool done = attempt(client, request, url, response, deadline_ms, &status, err);
        log_attempt(request, url, number, status, done ? NULL : err);
        if (done || client->repetitions_left == 0) {
            return done;
        }
        if (status != 0 && !skew_corrected && correct_skew(client, response, err)) {
            skew_corrected = true;
        } else if (number >= client->max_attempts || !is_worth_repeating(request, status, err) ||
                   !pause_before_next(client, number, deadline_ms)) {
            return false;
        }
        client->repetitions_left--;
    }
}
