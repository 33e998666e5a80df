// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/settings/forms.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <strings.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/system/files.h"

static const size_t MAX_CA_FILE = (size_t)4 << 20;
enum { MAX_HOSTS = 64 };

static bool is_digits(struct slice text, size_t count) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.len == count;
}

static bool has_blank_or_control(struct slice text) {
    return slice_find(text, ' ') < text.len || slice_has_control(text);
}

static bool flaw(struct error *err, const char *text) {
    return error_set(err, "form", "%s", text);
}

bool form_integer(struct slice text, int64_t min, int64_t max, int64_t *value, struct error *err) {
    int64_t number = 0;
    if (!slice_parse_integer(text, &number)) {
        struct slice digits = slice_skip(text, slice_starts_with(text, SLICE("-")));
        bool number_at_all = digits.len > 0 && is_digits(digits, digits.len);
        return flaw(err, number_at_all ? "is out of range" : "is not a whole number");
    }
    if (number < min || number > max) {
        return flaw(err, number < min ? "is too small" : "is too large");
    }
    *value = number;
    return true;
}

bool form_name(struct slice text, struct error *err) {
    if (slice_has_control(text)) {
        return flaw(err, "has a control character");
    }
    return text.len <= 255 || flaw(err, "is longer than 255 bytes");
}

// --- URL -------------------------------------------------------------------------------------

static void destroy_url(CURLU **url) {
    curl_url_cleanup(*url);
}

/// A part as a copy of ours, or NULL where the URL has none.
static char *url_part(CURLU *url, CURLUPart part, unsigned flags) {
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
        return NULL;
    }
    char *copy = xstrdup(text);
    curl_free(text);
    return copy;
}

static bool has_part(CURLU *url, CURLUPart part) {
    cleanup_free char *text = url_part(url, part, 0);
    return text != NULL;
}

/// Host without the brackets of an IPv6 address.
static char *bare_host(CURLU *url) {
    cleanup_free char *host = url_part(url, CURLUPART_HOST, 0);
    struct slice name = slice_text(host);
    if (slice_starts_with(name, SLICE("[")) && slice_ends_with(name, SLICE("]"))) {
        name = slice_make(name.data + 1, name.len - 2);
    }
    return name.len > 0 ? slice_copy(name) : NULL;
}

bool form_server_url(struct slice text, struct form_url *out, struct error *err) {
    bool https = text.len > 8 && strncasecmp(text.data, "https://", 8) == 0;
    bool http = text.len > 7 && strncasecmp(text.data, "http://", 7) == 0;
    if (!https && !http) {
        return flaw(err, "does not begin with https:// or http:// and a host");
    }
    if (has_blank_or_control(text)) {
        return flaw(err, "has a blank or a control character");
    }
    if (slice_skip(text, https ? 8 : 7).data[0] == '/') {
        // libcurl would take what follows for the host.
        return flaw(err, "has no host");
    }
    while (slice_ends_with(text, SLICE("/"))) {
        text.len--;
    }
    cleanup_free char *copy = slice_copy(text);
    CURLU *url __attribute__((cleanup(destroy_url))) = curl_url();
    if (!url || curl_url_set(url, CURLUPART_URL, copy, 0) != CURLUE_OK) {
        return flaw(err, "is not a valid URL");
    }
    if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)) {
        return flaw(err, "has a user name or password in it");
    }
    if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT)) {
        return flaw(err, "has a query or a fragment");
    }
    cleanup_free char *port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    int64_t port_number = 0;
    if (!port || !form_integer(slice_text(port), 1, UINT16_MAX, &port_number, err)) {
        return flaw(err, "has no valid port");
    }
    cleanup_free char *host = bare_host(url);
    if (!host) {
        return flaw(err, "has no host");
    }
    *out = (struct form_url){
        .url = steal_pointer(&copy),
        .host = steal_pointer(&host),
        .port = (uint16_t)port_number,
        .https = https,
    };
    return true;
}

// --- AWS names -------------------------------------------------------------------------------

bool form_arn(struct slice text, const char *service, bool regional, const char *resource,
              struct error *err) {
    struct slice rest = text;
    struct slice part[5];
    for (size_t i = 0; i < 5; i++) {
        if (!slice_split(&rest, ':', &part[i])) {
            return flaw(err, "is not an ARN");
        }
    }
    if (!slice_equal_text(part[0], "arn") || !slice_starts_with(part[1], SLICE("aws")) ||
        !slice_is_word(part[1], "-")) {
        return flaw(err, "is not an ARN");
    }
    if (!slice_equal_text(part[2], service)) {
        return error_set(err, "form", "is an ARN of another service than %s", service);
    }
    if (regional != (part[3].len > 0) || !slice_is_word(part[3], "-")) {
        return flaw(err, regional ? "is an ARN without a valid region" : "is an ARN with a region");
    }
    if (!is_digits(part[4], 12)) {
        return flaw(err, "is an ARN without an account of 12 digits");
    }
    if (!slice_starts_with(rest, slice_text(resource)) || rest.len == strlen(resource)) {
        return error_set(err, "form", "is an ARN of something else than %s...", resource);
    }
    if (has_blank_or_control(text) || text.len > 2048) {
        return flaw(err, "has a blank or a control character, or is too long");
    }
    return true;
}

bool form_parameter(struct slice text, struct error *err) {
    if (slice_starts_with(text, SLICE("arn:"))) {
        return form_arn(text, "ssm", true, "parameter/", err);
    }
    if (!slice_is_word(text, "_.-/")) {
        return flaw(err, "has a character that a parameter's name cannot have");
    }
    if (text.len > 1011) {
        return flaw(err, "is longer than a parameter's name can be");
    }
    if (slice_find(text, '/') < text.len && text.data[0] != '/') {
        return flaw(err, "has a slash inside but does not begin with one");
    }
    return !slice_ends_with(text, SLICE("/")) || flaw(err, "ends with a slash");
}

bool form_role_arn(struct slice text, struct error *err) {
    if (!form_arn(text, "iam", false, "role/", err)) {
        return false;
    }
    // form_arn() saw a slash.
    struct slice name = text;
    for (size_t slash = 0; (slash = slice_find(name, '/')) < name.len;) {
        name = slice_skip(name, slash + 1);
    }
    if (name.len == 0 || name.len > 64 || !slice_is_word(name, "_+=,.@-")) {
        return flaw(err, "does not end with the name of a role, of 1 to 64 characters");
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] > '~') {
            return flaw(err, "has a character that a role's path cannot have");
        }
    }
    return true;
}

// --- Certificates ----------------------------------------------------------------------------

static bool has_certificate(struct slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.data, slice_print_length(pem));
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool found = certificate != NULL;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return found;
}

bool form_ca_file(struct slice text, struct error *err) {
    if (!slice_starts_with(text, SLICE("/"))) {
        return flaw(err, "is not an absolute path");
    }
    cleanup_free char *path = slice_copy(text);
    cleanup_buffer struct buffer content = BUFFER_INIT(MAX_CA_FILE);
    if (!files_read(path, &content, err)) {
        return error_set(err, "form", "cannot be read: %s", err->message);
    }
    return has_certificate(buffer_slice(&content)) ||
           flaw(err, "is a file without a valid certificate in PEM");
}

// --- Hosts -----------------------------------------------------------------------------------

static bool append_address(struct buffer *addresses, const struct json *value, struct error *err) {
    struct slice text;
    if (!json_as_string(value, &text, err)) {
        return false;
    }
    cleanup_free char *address = slice_copy(text);
    struct in6_addr binary;
    if (inet_pton(AF_INET, address, &binary) != 1 && inet_pton(AF_INET6, address, &binary) != 1) {
        return error_set(err, "form", "%s is not an IP address", value->path);
    }
    if (addresses->len > 0) {
        buffer_append_text(addresses, ",");
    }
    buffer_append(addresses, text);
    return buffer_check(addresses, value->path, err);
}

static bool read_addresses(const struct json *value, struct buffer *addresses, struct error *err) {
    if (cJSON_IsString(value->node)) {
        return append_address(addresses, value, err);
    }
    if (!json_as_array(value, err)) {
        return false;
    }
    struct json_iterator it = {0};
    while (json_each(value, &it)) {
        if (!append_address(addresses, &it.value, err)) {
            return false;
        }
    }
    return addresses->len > 0 || error_set(err, "form", "%s has no address", value->path);
}

static bool read_hosts(const struct json *object, struct http_host *hosts, size_t *count,
                       struct error *err) {
    struct json_iterator it = {0};
    while (json_each(object, &it)) {
        if (it.key.len == 0 || it.key.len > 253 || it.key.data[0] == '-' ||
            !slice_is_word(it.key, "-._")) {
            return flaw(err, "has a name that is not a host name");
        }
        if (*count == MAX_HOSTS) {
            return error_set(err, "form", "has more than %d names", MAX_HOSTS);
        }
        cleanup_buffer struct buffer addresses = BUFFER_INIT(4096);
        if (!read_addresses(&it.value, &addresses, err)) {
            return false;
        }
        hosts[*count] = (struct http_host){
            .name = slice_copy(it.key),
            .addresses = xstrdup(buffer_text(&addresses)),
        };
        (*count)++;
    }
    return true;
}

bool form_hosts(struct slice text, struct http_host **hosts, size_t *count, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    if (!json_parse(text, "the value", &document, err) || !json_as_object(&document.root, err)) {
        return false;
    }
    struct http_host *list = xcalloc(MAX_HOSTS, sizeof(*list));
    size_t listed = 0;
    if (!read_hosts(&document.root, list, &listed, err)) {
        form_hosts_destroy(list, listed);
        return false;
    }
    *hosts = list;
    *count = listed;
    return true;
}

void form_hosts_destroy(struct http_host *hosts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free((char *)hosts[i].name);
        free((char *)hosts[i].addresses);
    }
    free(hosts);
}
