// SPDX-License-Identifier: Apache-2.0
/// Keys that the machine's surroundings serve: the container endpoint and instance metadata.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
#include <curl/curl.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/chain/provider.h"
#include "common/byte.h"
#include "common/cleanup.h"
#include "common/http/http.h"
#include "common/system/environment.h"
#include "common/system/files.h"

enum {
    LARGEST_ENDPOINT_TOKEN = 16 << 10,
    LONGEST_SHOWN = 160,
    CONTAINER_CONNECT_MS = 2000,
    CONTAINER_ATTEMPT_MS = 10000,
    CONTAINER_ATTEMPTS = 3,
    METADATA_CONNECT_MS = 1000,
    METADATA_ATTEMPT_MS = 1500,
    /// For all three requests.
    METADATA_MS = 4500,
    METADATA_ATTEMPTS = 2,
    METADATA_TOKEN_SECONDS = 300,
};

static const char CONTAINER_ORIGIN[] = "http://169.254.170.2";

/// One connection of our own: plain http is for these hosts alone, and never by way of a proxy.
struct endpoint {
    struct http_trust *trust;
    struct http_client *http;
    struct http_response response;
};
#define cleanup_endpoint __attribute__((cleanup(endpoint_clean_up)))

static void endpoint_init(struct endpoint *endpoint, const struct chain *chain) {
    const char *ca_bundle = environment_value("AWS_CA_BUNDLE");
    endpoint->trust = http_trust_new(ca_bundle ? ca_bundle : chain->settings.ca_bundle);
    const struct http_client_options options = {
        .trust = endpoint->trust, .clock = chain->clock, .allow_http = true, .no_proxy = true};
    endpoint->http = http_client_new(&options);
    http_response_init(&endpoint->response, PROVIDER_LARGEST_ANSWER);
    endpoint->response.body.sensitive = true;
}

static void endpoint_clean_up(struct endpoint *endpoint) {
    http_response_clean_up(&endpoint->response);
    http_client_destroy(endpoint->http);
    http_trust_destroy(endpoint->trust);
}

/// Appends the start of an answer, printable; nothing where it repeats a header, as that may be a
/// secret.
static void append_shown(struct buffer *out, const struct http_request *request,
                         struct slice text) {
    for (size_t i = 0; i < request->header_count; i++) {
        const struct slice value = request->headers[i].value;
        if (text.len > 0 && memmem(text.data, text.len, value.data, value.len)) {
            return;
        }
    }
    text = slice_trim(text);
    for (size_t i = 0; i < text.len && i < LONGEST_SHOWN; i++) {
        const char byte = text.data[i];
        buffer_append_byte(out, byte_is_visible(byte) ? byte : ' ');
    }
}

/// Sends it; any status but 200 is a failure.
static bool fetch(struct endpoint *endpoint, const struct http_request *request, unsigned attempts,
                  const char *code, struct error *err) {
    const struct http_retry retry = {
        .attempts = attempts, .base_ms = 200, .cap_ms = 1000, .retry_after_cap_ms = 1000};
    if (!http_send(endpoint->http, request, &retry, &endpoint->response, err)) {
        return false;
    }
    if (endpoint->response.status == 200) {
        return true;
    }
    cleanup_buffer struct buffer shown = BUFFER_INIT(LONGEST_SHOWN + 1);
    append_shown(&shown, request, buffer_slice(&endpoint->response.body));
    cleanup_buffer struct buffer url = BUFFER_INIT(256);
    http_url_append_plain(&url, request->url);
    return error_set(err, code, "%s: answered with status %d%s%s", buffer_text(&url),
                     endpoint->response.status, shown.len > 0 ? ": " : "", buffer_text(&shown));
}

// --- Container endpoint ----------------------------------------------------------------------

/// Whom the token may be sent to without TLS: this machine, and what ECS and EKS put beside it.
static bool is_trusted_host(const char *url) {
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    CURLU *parts = curl_url();
    char *host = NULL;
    bool is_trusted = false;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
            is_trusted = is_trusted || strcmp(host, hosts[i]) == 0;
        }
    }
    curl_free(host);
    curl_url_cleanup(parts);
    return is_trusted;
}

/// The URL to ask, to be released with free(); NULL on failure.
static char *container_url(const char *relative, const char *full, struct error *err) {
    if (relative) {
        if (relative[0] != '/') {
            error_set(err, "config",
                      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: \"%.64s\" does not begin with /",
                      relative);
            return NULL;
        }
        return xasprintf("%s%s", CONTAINER_ORIGIN, relative);
    }
    const bool is_https = strncasecmp(full, "https://", 8) == 0;
    const bool is_http = strncasecmp(full, "http://", 7) == 0;
    if (is_https || (is_http && (http_url_is_loopback(full) || is_trusted_host(full)))) {
        return xstrdup(full);
    }
    cleanup_buffer struct buffer url = BUFFER_INIT(256);
    http_url_append_plain(&url, full);
    error_set(err, "config",
              "AWS_CONTAINER_CREDENTIALS_FULL_URI: %s is not allowed: use https, or http with a "
              "loopback host, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]",
              buffer_text(&url));
    return NULL;
}

/// The authorization token into `token`; empty where there is none.
static bool container_token(struct buffer *token, struct error *err) {
    const char *file = environment_value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *name =
        file ? "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" : "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    const char *value = environment_value("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (file && !files_read_within(file, STS_TOKEN_WAIT_MS, token, err)) {
        return error_prefix(err, "%s", name);
    }
    if (!file && value) {
        buffer_append_text(token, value);
    }
    if (!buffer_check(token, name, err)) {
        return false;
    }
    const struct slice text = buffer_slice(token);
    if (slice_find(text, '\r') < text.len || slice_find(text, '\n') < text.len ||
        slice_find(text, '\0') < text.len) {
        return error_set(err, "config",
                         "%s: the token holds a line break or NUL, which no header takes: write it "
                         "without one, as printf %%s does",
                         name);
    }
    return true;
}

static bool ask_container(struct chain *chain, const char *relative, const char *full,
                          struct aws_credentials *credentials, struct error *err) {
    cleanup_free char *url = container_url(relative, full, err);
    cleanup_buffer struct buffer token = BUFFER_INIT_SENSITIVE(LARGEST_ENDPOINT_TOKEN);
    if (!url || !container_token(&token, err)) {
        return false;
    }
    cleanup_endpoint struct endpoint endpoint;
    endpoint_init(&endpoint, chain);
    const struct http_header headers[] = {
        {SLICE("Accept"), SLICE("application/json")},
        {SLICE("Authorization"), buffer_slice(&token)},
    };
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .header_count = token.len > 0 ? 2 : 1,
        .connect_timeout_ms = CONTAINER_CONNECT_MS,
        .timeout_ms = CONTAINER_ATTEMPT_MS,
        .deadline_ms = chain->deadline_ms,
    };
    return fetch(&endpoint, &request, CONTAINER_ATTEMPTS, "container", err) &&
           provider_read_json(chain, buffer_slice(&endpoint.response.body), "its answer",
                              "container", "Token", credentials, err);
}

enum provider_result provider_container(struct chain *chain, const struct profile *profile,
                                        struct chain_found *found, struct error *err) {
    (void)profile;
    const char *relative = environment_value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = environment_value("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full) {
        provider_note(chain, "container endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and "
                             "AWS_CONTAINER_CREDENTIALS_FULL_URI are not set)");
        return PROVIDER_SKIPPED;
    }
    cleanup_aws_credentials struct aws_credentials credentials = {0};
    if (!ask_container(chain, relative, full, &credentials, err)) {
        error_prefix(err, "container endpoint");
        return PROVIDER_FAILED;
    }
    provider_take(found, &credentials, "container endpoint");
    return PROVIDER_FOUND;
}

// --- Instance metadata -----------------------------------------------------------------------

/// The service's origin without a slash at its end, to be released with free(); NULL on failure.
static char *metadata_origin(const struct profile *profile, struct error *err) {
    const char *url = environment_value("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    url = url ? url : profile_get(profile, "ec2_metadata_service_endpoint");
    const char *mode = environment_value("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    mode = mode ? mode : profile_get(profile, "ec2_metadata_service_endpoint_mode");
    if (mode && strcasecmp(mode, "ipv4") != 0 && strcasecmp(mode, "ipv6") != 0) {
        error_set(err, "config",
                  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: \"%.32s\": write IPv4 or IPv6", mode);
        return NULL;
    }
    if (!url) {
        url = mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                    : "http://169.254.169.254";
    }
    struct slice origin = slice_text(url);
    while (slice_ends_with(origin, SLICE("/"))) {
        origin.len--;
    }
    return slice_copy(origin);
}

static bool is_role_name(struct slice name) {
    return name.len > 0 && name.len <= 128 && slice_is_word(name, "+=,.@_-");
}

/// What the three requests have in common.
struct metadata {
    struct endpoint *endpoint;
    const char *origin;
    int64_t deadline_ms;
    /// The session's; empty before the first request.
    struct buffer token;
};

static bool ask_metadata(struct metadata *metadata, const char *method, const char *path,
                         struct error *err) {
    cleanup_free char *url = xasprintf("%s/latest/%s", metadata->origin, path);
    cleanup_free char *seconds = xasprintf("%d", METADATA_TOKEN_SECONDS);
    const bool has_token = metadata->token.len > 0;
    const struct http_header header = {has_token ? SLICE("X-aws-ec2-metadata-token")
                                                 : SLICE("X-aws-ec2-metadata-token-ttl-seconds"),
                                       has_token ? buffer_slice(&metadata->token)
                                                 : slice_text(seconds)};
    const struct http_request request = {
        .method = method,
        .url = url,
        .headers = &header,
        .header_count = 1,
        .connect_timeout_ms = METADATA_CONNECT_MS,
        .timeout_ms = METADATA_ATTEMPT_MS,
        .deadline_ms = metadata->deadline_ms,
    };
    return fetch(metadata->endpoint, &request, METADATA_ATTEMPTS, "metadata", err);
}

static bool take_metadata_token(struct metadata *metadata, struct error *err) {
    if (!ask_metadata(metadata, "PUT", "api/token", err)) {
        return false;
    }
    const struct slice token = slice_trim(buffer_slice(&metadata->endpoint->response.body));
    if (!slice_is_visible(token)) {
        return error_set(err, "metadata", "the token has characters that no header takes");
    }
    buffer_append(&metadata->token, token);
    return token.len > 0 ? buffer_check(&metadata->token, "the token", err)
                         : error_set(err, "metadata", "the token is empty");
}

static bool read_metadata(struct chain *chain, struct metadata *metadata,
                          struct aws_credentials *credentials, char **role, struct error *err) {
    const char *path = "meta-data/iam/security-credentials/";
    if (!take_metadata_token(metadata, err) || !ask_metadata(metadata, "GET", path, err)) {
        return false;
    }
    const struct buffer *body = &metadata->endpoint->response.body;
    struct slice rest = slice_trim(buffer_slice(body));
    rest.len = slice_find(rest, '\n');
    const struct slice name = slice_trim(rest);
    if (!is_role_name(name)) {
        return error_set(err, "metadata", "what it names is not a role");
    }
    *role = slice_copy(name);
    cleanup_free char *role_path = xasprintf("%s%s", path, *role);
    return ask_metadata(metadata, "GET", role_path, err) &&
           provider_read_json(chain, buffer_slice(body), "its answer", "metadata", "Token",
                              credentials, err);
}

enum provider_result provider_metadata(struct chain *chain, const struct profile *profile,
                                       struct chain_found *found, struct error *err) {
    if (environment_is_true("AWS_EC2_METADATA_DISABLED")) {
        provider_note(chain, "instance metadata (AWS_EC2_METADATA_DISABLED is true)");
        return PROVIDER_SKIPPED;
    }
    cleanup_free char *origin = metadata_origin(profile, err);
    if (!origin) {
        return PROVIDER_FAILED;
    }
    cleanup_endpoint struct endpoint endpoint;
    endpoint_init(&endpoint, chain);
    struct metadata metadata = {
        .endpoint = &endpoint,
        .origin = origin,
        .deadline_ms = clock_now_ms(chain->clock) + provider_left_ms(chain, METADATA_MS),
        .token = BUFFER_INIT_SENSITIVE(LARGEST_ENDPOINT_TOKEN),
    };
    cleanup_aws_credentials struct aws_credentials credentials = {0};
    cleanup_free char *role = NULL;
    const bool good = read_metadata(chain, &metadata, &credentials, &role, err);
    buffer_clean_up(&metadata.token);
    if (!good) {
        provider_note(chain, "instance metadata (%.400s)", err->message);
        return PROVIDER_SKIPPED;
    }
    provider_take(found, &credentials, "instance metadata (role %s)", role);
    return PROVIDER_FOUND;
}
