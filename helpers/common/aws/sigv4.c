// SPDX-License-Identifier: Apache-2.0
#include "common/aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/timestamp.h"

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
        if (byte <= 0x20 || byte == 0x7f || (ascii_only && byte > 0x7f)) {
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
        OPENSSL_cleanse(pairs->items[i].value, strlen(pairs->items[i].value));
        free(pairs->items[i].value);
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
    cleanup_buffer struct buffer out = BUFFER_INIT(LARGEST_TEXT);
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

/// Appends a line without blanks at the ends, and with one space for each run of them inside.
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

/// The lines of a folded value count as values of their own: AWS joins them with commas.
static char *squeezed(struct slice value) {
    cleanup_buffer struct buffer out = BUFFER_INIT_SENSITIVE(LARGEST_TEXT);
    struct slice rest = value;
    struct slice line;
    for (bool first = true; slice_split(&rest, '\n', &line); first = false) {
        buffer_append_text(&out, first ? "" : ",");
        append_squeezed(&out, line);
    }
    return xstrdup(buffer_text(&out));
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
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void collect_headers(struct pairs *pairs, const struct sigv4_request *request,
                            const struct sigv4_options *options,
                            const struct sigv4_signature *signature) {
    for (size_t i = 0; i < request->header_count; i++) {
        char *name = lower_case(slice_trim(request->headers[i].name));
        const bool ours =
            strcmp(name, "x-amz-date") == 0 ||
            (options->sign_body && strcmp(name, "x-amz-content-sha256") == 0) ||
            (options->session_token.len > 0 && strcmp(name, "x-amz-security-token") == 0);
        if (ours || is_unsigned(name)) {
            free(name);
        } else {
            pairs_add(pairs, name, squeezed(request->headers[i].value));
        }
    }
    pairs_add(pairs, xstrdup("x-amz-date"), xstrdup(signature->date));
    if (options->sign_body) {
        pairs_add(pairs, xstrdup("x-amz-content-sha256"), xstrdup(signature->content_sha256));
    }
    if (options->session_token.len > 0 && !options->omit_session_token) {
        pairs_add(pairs, xstrdup("x-amz-security-token"), squeezed(options->session_token));
    }
    qsort(pairs->items, pairs->count, sizeof(*pairs->items), by_name_and_place);
}

static void append_headers(struct buffer *out, struct buffer *names, const struct pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        if (i > 0 && strcmp(pair->name, pair[-1].name) == 0) {
            buffer_appendf(out, ",%s", pair->value);
            continue;
        }
        buffer_appendf(out, "%s%s:%s", i > 0 ? "\n" : "", pair->name, pair->value);
        buffer_appendf(names, "%s%s", i > 0 ? ";" : "", pair->name);
    }
    buffer_append_byte(out, '\n');
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

static void append_canonical_request(struct sigv4_signature *signature, struct buffer *names,
                                     const struct sigv4_request *request,
                                     const struct sigv4_options *options) {
    struct buffer *out = &signature->canonical_request;
    cleanup_pairs struct pairs headers = {0};
    collect_headers(&headers, request, options, signature);
    for (size_t i = 0; i < request->method.len; i++) {
        const char byte = request->method.data[i];
        buffer_append_byte(out, byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte);
    }
    buffer_append_byte(out, '\n');
    append_path(out, request->path, options->normalize);
    buffer_append_byte(out, '\n');
    append_query(out, request->query);
    buffer_append_byte(out, '\n');
    append_headers(out, names, &headers);
    // A caller that sends its own hash, or UNSIGNED-PAYLOAD, signs that.
    const char *payload = find_pair(&headers, "x-amz-content-sha256");
    buffer_appendf(out, "\n%s\n%s", buffer_text(names),
                   payload ? payload : signature->content_sha256);
}

bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_options *options,
                struct sigv4_signature *signature, struct error *err) {
    *signature = (struct sigv4_signature){
        // It holds the session token.
        .canonical_request = BUFFER_INIT_SENSITIVE(LARGEST_TEXT),
        .string_to_sign = BUFFER_INIT(LARGEST_TEXT),
        .authorization = BUFFER_INIT(LARGEST_TEXT),
    };
    if (!check_input(request, options, err)) {
        return false;
    }
    const struct timestamp time = timestamp_basic(options->timestamp_ms);
    (void)snprintf(signature->date, sizeof(signature->date), "%.16s", time.text);
    encoding_sha256_hex(request->body, signature->content_sha256);

    cleanup_buffer struct buffer names = BUFFER_INIT(LARGEST_TEXT);
    append_canonical_request(signature, &names, request, options);
    char digest[SHA256_HEX_SIZE];
    encoding_sha256_hex(buffer_slice(&signature->canonical_request), digest);
    cleanup_buffer struct buffer scope = BUFFER_INIT(LARGEST_TEXT);
    buffer_appendf(&scope, "%.8s/%" SLICE_FORMAT "/%" SLICE_FORMAT "/aws4_request", signature->date,
                   SLICE_ARGUMENTS(options->region), SLICE_ARGUMENTS(options->service));
    buffer_appendf(&signature->string_to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", signature->date,
                   buffer_text(&scope), digest);

    unsigned char mac[HASH_SIZE];
    if (!compute(options, slice_make(signature->date, 8), buffer_slice(&signature->string_to_sign),
                 mac)) {
        return error_set(err, "sigv4", "cannot compute an HMAC");
    }
    buffer_appendf(&signature->authorization,
                   "AWS4-HMAC-SHA256 Credential=%" SLICE_FORMAT "/%s, SignedHeaders=%s, Signature=",
                   SLICE_ARGUMENTS(options->access_key), buffer_text(&scope), buffer_text(&names));
    encoding_append_hex(&signature->authorization, slice_make(mac, sizeof(mac)));
    return buffer_check(&signature->canonical_request, "canonical request", err) &&
           buffer_check(&signature->authorization, "Authorization", err);
}

void sigv4_signature_clean_up(struct sigv4_signature *signature) {
    buffer_clean_up(&signature->canonical_request);
    buffer_clean_up(&signature->string_to_sign);
    buffer_clean_up(&signature->authorization);
}
