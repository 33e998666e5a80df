// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <curl/curl.h>

#include "common/byte.h"
#include "common/cleanup.h"
#include "common/http/http.h"

static bool is_loopback_host(struct slice host) {
    struct in_addr v4;
    if (slice_equal_ignoring_case(host, SLICE("localhost")) || slice_equal(host, SLICE("[::1]"))) {
        return true;
    }
    cleanup_free char *text = slice_copy(host);
    return inet_pton(AF_INET, text, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

bool http_url_is_loopback(const char *url) {
    CURLU *parts = curl_url();
    char *host = NULL;
    char *scheme = NULL;
    bool loopback = false;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
        const struct slice name = slice_text(scheme);
        loopback = (slice_equal(name, SLICE("http")) || slice_equal(name, SLICE("https"))) &&
                   is_loopback_host(slice_text(host));
    }
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return loopback;
}

/// Others may have chosen it: nothing in it shall steer a terminal.
static void append_printable(struct buffer *out, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        const char byte = text.data[i];
        buffer_append_byte(out, byte_is_visible(byte) ? byte : '?');
    }
}

void http_url_append_plain(struct buffer *out, const char *url) {
    struct slice rest = slice_text(url);
    rest.len = slice_find(rest, '#');
    rest.len = slice_find(rest, '?');
    const size_t colon = slice_find(rest, ':');
    if (slice_starts_with(slice_skip(rest, colon), SLICE("://"))) {
        append_printable(out, slice_make(rest.data, colon + 3));
        rest = slice_skip(rest, colon + 3);
    }
    // User information ends at the last "@" of what comes before the path.
    const struct slice authority = slice_make(rest.data, slice_find(rest, '/'));
    for (size_t i = authority.len; i > 0; i--) {
        if (authority.data[i - 1] == '@') {
            rest = slice_skip(rest, i);
            break;
        }
    }
    append_printable(out, rest);
}
