// SPDX-License-Identifier: Apache-2.0
#include "common/aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/byte.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/system/digest.h"
#include "common/timestamp.h"
#include "common/wipe.h"

enum {
    HASH_SIZE = 32,
    /// Canonical requests have no body, so this is far beyond any server's limit for headers.
    LARGEST_TEXT = 4 * 1024 * 1024,
};

// --- Path and query ---------------------------------------------------------------------------

/// "/a//b/./c/../d/" becomes "/a/b/d/", as AWS has it: an empty segment counts for nothing.
static void append_normalized(struct buffer *out, struct slice path) {
    const size_t start = out->len;
    struct slice rest = path;
    struct slice segment;
    while (slice_split(&rest, '/', &segment)) {
        if (segment.len == 0 || slice_equal(segment, SLICE("."))) {
            continue;
        }
        if (!slice_equal(segment, SLICE(".."))) {
            buffer_append_byte(out, '/');
            buffer_append(out, segment);
            continue;
        }
        while (out->len > start) {
            const char last = out->data[out->len - 1];
            buffer_truncate(out, out->len - 1);
            if (last == '/') {
                break;
            }
        }
    }
    if (out->len == start || slice_ends_with(path, SLICE("/"))) {
        buffer_append_byte(out, '/');
    }
}

/// Appends the text with only those bytes encoded that cannot stand on a request line: a caller
/// that has them there in the raw will have them encoded when they are sent.
static void append_sendable(struct buffer *out, struct slice text, bool ascii_only) {
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        if (byte == ' ' || byte_is_control(text.data[i]) || (ascii_only && byte > 0x7f)) {
            buffer_appendf(out, "%%%02X", (unsigned)byte);
        } else {
            buffer_append_byte(out, text.data[i]);
        }
    }
}

static void append_path(struct buffer *out, struct slice path, bool normalize) {
    if (path.len == 0) {
        buffer_append_byte(out, '/');
    } else if (!normalize) {
        append_sendable(out, path, false);
    } else {
        cleanup_buffer struct buffer normalized = BUFFER_INIT(LARGEST_TEXT);
        append_normalized(&normalized, path);
        encoding_append_percent(out, buffer_slice(&normalized), "/");
    }
}

/// A name with its value and its place in the request; of a query or of headers.
struct pair {
    char *name;
    char *value;
    size_t index;
};

struct pairs {
    struct pair *items;
    size_t count;
};

static void pairs_clean_up(struct pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        wipe_free(pairs->items[i].value);
    }
    free(pairs->items);
}
#define cleanup_pairs __attribute__((cleanup(pairs_clean_up)))

static void pairs_add(struct pairs *pairs, char *name, char *value) {
    pairs->items = xreallocarray(pairs->items, pairs->count + 1, sizeof(*pairs->items));
    pairs->items[pairs->count] = (struct pair){.name = name, .value = value, .index = pairs->count};
    pairs->count++;
}

static int by_name_and_value(const void *a, const void *b) {
    const struct pair *left = a;
    const struct pair *right = b;
    const int order = strcmp(left->name, right->name);
    return order != 0 ? order : strcmp(left->value, right->value);
}

static int by_name_and_place(const void *a, const void *b) {
    const struct pair *left = a;
    const struct pair *right = b;
    const int order = strcmp(left->name, right->name);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static char *sendable(struct slice text) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(LARGEST_TEXT);
    append_sendable(&out, text, true);
    return xstrdup(buffer_text(&out));
}

static void append_query(struct buffer *out, struct slice query) {
    if (query.len == 0) {
        return;
    }
    cleanup_pairs struct pairs pairs = {0};
    struct slice rest = query;
    struct slice part;
    while (slice_split(&rest, '&', &part)) {
        const size_t equals = slice_find(part, '=');
        pairs_add(&pairs, sendable(slice_make(part.data, equals)),
                  sendable(slice_skip(part, equals + 1)));
    }
    if (pairs.items) {
        qsort(pairs.items, pairs.count, sizeof(*pairs.items), by_name_and_value);
    }
    for (size_t i = 0; i < pairs.count; i++) {
        buffer_appendf(out, "%s%s=%s", i > 0 ? "&" : "", pairs.items[i].name, pairs.items[i].value);
    }
}

// --- Headers ----------------------------------------------------------------------------------

static char *lower_case(struct slice text) {
    char *copy = slice_copy(text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    return copy;
}

static bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/// Appends a value without blanks at the ends, and with one space for each run of them inside; the
/// ends of folded lines are blanks, as in AWS's example get-header-value-multiline.
static void append_squeezed(struct buffer *out, struct slice line) {
    const size_t start = out->len;
    bool blank = false;
    for (size_t i = 0; i < line.len; i++) {
        if (is_blank(line.data[i])) {
            blank = out->len > start;
            continue;
        }
        buffer_append_text(out, blank ? " " : "");
        buffer_append_byte(out, line.data[i]);
        blank = false;
    }
}

static char *squeezed(struct slice value) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(LARGEST_TEXT);
    append_squeezed(&out, value);
    return xstrdup(buffer_text(&out));
}

static bool is_one_of(const char *name, const char *const *names) {
    for (; *names; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

/// Headers that something between us and the service may add or change.
static bool is_unsigned(const char *name) {
    static const char *const names[] = {
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
        NULL,
    };
    return is_one_of(name, names);
}

/// Adds those of the request, but for `ours` (ended by NULL), which the signature brings itself,
/// and sorts.
static void collect_headers(struct pairs *pairs, const struct sigv4_request *request,
                            const char *const *ours) {
    for (size_t i = 0; i < request->header_count; i++) {
        char *name = lower_case(slice_trim(request->headers[i].name));
        if (is_unsigned(name) || is_one_of(name, ours)) {
            free(name);
        } else {
            pairs_add(pairs, name, squeezed(request->headers[i].value));
        }
    }
    if (pairs->items) {
        qsort(pairs->items, pairs->count, sizeof(*pairs->items), by_name_and_place);
    }
}

/// With the headers that sigv4_sign() adds.
static void collect_all_headers(struct pairs *pairs, const struct sigv4_request *request,
                                const struct sigv4_options *options,
                                const struct sigv4_signature *signature) {
    const char *ours[4] = {"x-amz-date"};
    size_t count = 1;
    pairs_add(pairs, xstrdup("x-amz-date"), xstrdup(signature->date));
    if (options->sign_body) {
        ours[count++] = "x-amz-content-sha256";
        pairs_add(pairs, xstrdup("x-amz-content-sha256"), xstrdup(signature->content_sha256));
    }
    if (options->session_token.len > 0) {
        ours[count++] = "x-amz-security-token";
        if (!options->omit_session_token) {
            pairs_add(pairs, xstrdup("x-amz-security-token"), squeezed(options->session_token));
        }
    }
    collect_headers(pairs, request, ours);
}

static bool is_repeated(const struct pairs *pairs, size_t index) {
    return index > 0 && strcmp(pairs->items[index].name, pairs->items[index - 1].name) == 0;
}

static void append_headers(struct buffer *out, const struct pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        if (is_repeated(pairs, i)) {
            buffer_appendf(out, ",%s", pair->value);
        } else {
            buffer_appendf(out, "%s%s:%s", i > 0 ? "\n" : "", pair->name, pair->value);
        }
    }
    buffer_append_byte(out, '\n');
}

/// "host;x-amz-date"
static void append_names(struct buffer *out, const struct pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        if (!is_repeated(pairs, i)) {
            buffer_appendf(out, "%s%s", i > 0 ? ";" : "", pairs->items[i].name);
        }
    }
}

static const char *find_pair(const struct pairs *pairs, const char *name) {
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            return pairs->items[i].value;
        }
    }
    return NULL;
}

// --- Signature --------------------------------------------------------------------------------

static bool hmac(struct slice key, struct slice text, unsigned char out[HASH_SIZE]) {
    unsigned int size = HASH_SIZE;
    return HMAC(EVP_sha256(), key.data, (int)key.len, (const unsigned char *)text.data, text.len,
                out, &size) != NULL;
}

/// The key for a day, region and service, and with it the signature.
static bool compute(const struct sigv4_options *options, struct slice day, struct slice text,
                    unsigned char out[HASH_SIZE]) {
    cleanup_buffer struct buffer first = BUFFER_INIT_SENSITIVE(SIZE_MAX / 4);
    buffer_append_text(&first, "AWS4");
    buffer_append(&first, options->secret_key);
    const struct slice steps[] = {day, options->region, options->service, SLICE("aws4_request"),
                                  text};
    unsigned char key[HASH_SIZE];
    struct slice from = buffer_slice(&first);
    bool done = true;
    for (size_t i = 0; done && i < ARRAY_LENGTH(steps); i++) {
        unsigned char next[HASH_SIZE];
        done = hmac(from, steps[i], next);
        memcpy(key, next, sizeof(key));
        from = slice_make(key, sizeof(key));
        OPENSSL_cleanse(next, sizeof(next));
    }
    memcpy(out, key, HASH_SIZE);
    OPENSSL_cleanse(key, sizeof(key));
    return done;
}

static bool check_input(const struct sigv4_request *request, const struct sigv4_options *options,
                        struct error *err) {
    const struct {
        struct slice value;
        const char *what;
    } needed[] = {
        {request->method, "method"},         {options->access_key, "access key"},
        {options->secret_key, "secret key"}, {options->region, "region"},
        {options->service, "service"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (needed[i].value.len == 0) {
            return error_set(err, "sigv4", "cannot sign without a %s", needed[i].what);
        }
    }
    if (options->secret_key.len > 4096) {
        return error_set(err, "sigv4", "cannot sign with a secret key of that length");
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_equal_ignoring_case(slice_trim(request->headers[i].name), SLICE("host"))) {
            return true;
        }
    }
    return error_set(err, "sigv4", "cannot sign without a Host header");
}

static void begin(const struct sigv4_request *request, const struct sigv4_options *options,
                  struct sigv4_signature *signature) {
    *signature = (struct sigv4_signature){
        // It holds the session token, as the query does.
        .canonical_request = BUFFER_INIT_SENSITIVE(LARGEST_TEXT),
        .string_to_sign = BUFFER_INIT(LARGEST_TEXT),
        .authorization = BUFFER_INIT(LARGEST_TEXT),
        .query = BUFFER_INIT_SENSITIVE(LARGEST_TEXT),
    };
    const struct timestamp time = timestamp_basic(options->timestamp_ms);
    (void)snprintf(signature->date, sizeof(signature->date), "%.16s", time.text);
    digest_text_hex(request->body, signature->content_sha256);
}

/// "20150830/us-east-1/service/aws4_request"
static void append_scope(struct buffer *out, const struct sigv4_signature *signature,
                         const struct sigv4_options *options) {
    buffer_appendf(out, "%.8s/%" SLICE_FORMAT "/%" SLICE_FORMAT "/aws4_request", signature->date,
                   SLICE_ARGUMENTS(options->region), SLICE_ARGUMENTS(options->service));
}

/// `payload` stands for the body where no header says what does.
static void append_canonical_request(struct sigv4_signature *signature, struct slice query,
                                     const struct pairs *headers, const char *payload,
                                     const struct sigv4_request *request, bool normalize) {
    struct buffer *out = &signature->canonical_request;
    for (size_t i = 0; i < request->method.len; i++) {
        const char byte = request->method.data[i];
        buffer_append_byte(out, byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte);
    }
    buffer_append_byte(out, '\n');
    append_path(out, request->path, normalize);
    buffer_append_byte(out, '\n');
    append_query(out, query);
    buffer_append_byte(out, '\n');
    append_headers(out, headers);
    buffer_append_byte(out, '\n');
    append_names(out, headers);
    // A caller that sends its own hash, or UNSIGNED-PAYLOAD, signs that.
    const char *own = find_pair(headers, "x-amz-content-sha256");
    buffer_appendf(out, "\n%s", own ? own : payload);
}

/// Appends the signature over the canonical request.
static bool append_signature(struct buffer *out, struct sigv4_signature *signature,
                             const struct sigv4_options *options, struct error *err) {
    char digest[DIGEST_HEX_SIZE];
    digest_text_hex(buffer_slice(&signature->canonical_request), digest);
    buffer_appendf(&signature->string_to_sign, "AWS4-HMAC-SHA256\n%s\n", signature->date);
    append_scope(&signature->string_to_sign, signature, options);
    buffer_appendf(&signature->string_to_sign, "\n%s", digest);
    unsigned char mac[HASH_SIZE];
    if (!compute(options, slice_make(signature->date, 8), buffer_slice(&signature->string_to_sign),
                 mac)) {
        return error_set(err, "sigv4", "cannot compute an HMAC");
    }
    encoding_append_hex(out, slice_make(mac, sizeof(mac)));
    return buffer_check(&signature->canonical_request, "canonical request", err);
}

bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_options *options,
                struct sigv4_signature *signature, struct error *err) {
    begin(request, options, signature);
    if (!check_input(request, options, err)) {
        return false;
    }
    cleanup_pairs struct pairs headers = {0};
    collect_all_headers(&headers, request, options, signature);
    append_canonical_request(signature, request->query, &headers, signature->content_sha256,
                             request, options->normalize);
    struct buffer *out = &signature->authorization;
    buffer_appendf(out, "AWS4-HMAC-SHA256 Credential=%" SLICE_FORMAT "/",
                   SLICE_ARGUMENTS(options->access_key));
    append_scope(out, signature, options);
    buffer_append_text(out, ", SignedHeaders=");
    append_names(out, &headers);
    buffer_append_text(out, ", Signature=");
    return append_signature(out, signature, options, err) &&
           buffer_check(out, "Authorization", err);
}

// --- In the query -----------------------------------------------------------------------------

static void append_parameter(struct buffer *out, const char *name, struct slice value) {
    buffer_appendf(out, "%s%s=", out->len > 0 ? "&" : "", name);
    encoding_append_percent(out, value, "");
}

/// Appends all parameters of the signature but itself, in botocore's order.
static void append_parameters(struct sigv4_signature *signature, const struct pairs *headers,
                              const struct sigv4_options *options, int64_t seconds) {
    struct buffer *out = &signature->query;
    cleanup_buffer struct buffer credential = BUFFER_INIT(LARGEST_TEXT);
    buffer_append(&credential, options->access_key);
    buffer_append_byte(&credential, '/');
    append_scope(&credential, signature, options);
    cleanup_buffer struct buffer names = BUFFER_INIT(LARGEST_TEXT);
    append_names(&names, headers);
    append_parameter(out, "X-Amz-Algorithm", SLICE("AWS4-HMAC-SHA256"));
    append_parameter(out, "X-Amz-Credential", buffer_slice(&credential));
    append_parameter(out, "X-Amz-Date", slice_text(signature->date));
    buffer_appendf(out, "&X-Amz-Expires=%lld", (long long)seconds);
    append_parameter(out, "X-Amz-SignedHeaders", buffer_slice(&names));
    if (options->session_token.len > 0) {
        append_parameter(out, "X-Amz-Security-Token", options->session_token);
    }
}

bool sigv4_presign(const struct sigv4_request *request, const struct sigv4_options *options,
                   int64_t seconds, struct sigv4_signature *signature, struct error *err) {
    static const char *const ours[] = {"x-amz-date", "x-amz-security-token", NULL};
    begin(request, options, signature);
    if (!check_input(request, options, err)) {
        return false;
    }
    if (seconds < SIGV4_SHORTEST_SECONDS || seconds > SIGV4_LONGEST_SECONDS) {
        return error_set(err, "sigv4",
                         "a presigned URL cannot last for %lld seconds: it must be %d to %d",
                         (long long)seconds, SIGV4_SHORTEST_SECONDS, SIGV4_LONGEST_SECONDS);
    }
    cleanup_pairs struct pairs headers = {0};
    collect_headers(&headers, request, ours);
    struct buffer *out = &signature->query;
    buffer_append(out, request->query);
    append_parameters(signature, &headers, options, seconds);
    append_canonical_request(signature, buffer_slice(out), &headers,
                             options->unsigned_payload ? "UNSIGNED-PAYLOAD"
                                                       : signature->content_sha256,
                             request, options->normalize);
    buffer_append_text(out, "&X-Amz-Signature=");
    return append_signature(out, signature, options, err) &&
           buffer_check(out, "the presigned query", err);
}

void sigv4_signature_clean_up(struct sigv4_signature *signature) {
    buffer_clean_up(&signature->canonical_request);
    buffer_clean_up(&signature->string_to_sign);
    buffer_clean_up(&signature->authorization);
    buffer_clean_up(&signature->query);
}
