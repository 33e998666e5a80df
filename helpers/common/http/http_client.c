// SPDX-License-Identifier: Apache-2.0
/// The client: what its transfers have in common.
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/http/http_transfer.h"
#include "common/version.h"
#include "common/wipe.h"

struct http_client {
    CURLM *multi;
    struct http_trust *trust;
    /// The trust store is ours, and released with the client.
    bool owns_trust;
    struct clock *clock;
    /// "name:addresses"
    char **hosts;
    size_t host_count;
    char *user_agent;
    bool allow_http;
    bool no_proxy;
};

static void initialise_curl(void) {
    // It fails only where memory or the random generator do.
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_free, wipe_realloc, strdup,
                             calloc) != CURLE_OK) {
        abort();
    }
}

struct http_client *http_client_new(const struct http_client_options *options) {
    enum { KEPT_CONNECTIONS = 4 };
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, initialise_curl);
    struct http_client *client = xcalloc(1, sizeof(*client));
    client->multi = curl_multi_init();
    if (!client->multi) {
        abort();
    }
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    client->owns_trust = !options->trust;
    client->trust = client->owns_trust ? http_trust_new(NULL) : options->trust;
    client->clock = options->clock ? options->clock : clock_system();
    client->user_agent =
        xstrdup(options->user_agent ? options->user_agent : "runlet/" RUNLET_VERSION);
    client->allow_http = options->allow_http;
    client->no_proxy = options->no_proxy;
    client->host_count = options->host_count;
    client->hosts = xcalloc(options->host_count, 2 * sizeof(*client->hosts));
    for (size_t i = 0; i < options->host_count; i++) {
        client->hosts[2 * i] = xstrdup(options->hosts[i].name);
        client->hosts[2 * i + 1] = xstrdup(options->hosts[i].addresses);
    }
    return client;
}

void http_client_destroy(struct http_client *client) {
    if (!client) {
        return;
    }
    (void)curl_multi_cleanup(client->multi);
    if (client->owns_trust) {
        http_trust_destroy(client->trust);
    }
    for (size_t i = 0; i < 2 * client->host_count; i++) {
        free(client->hosts[i]);
    }
    free((void *)client->hosts);
    free(client->user_agent);
    free(client);
}

void http_client_destroyp(struct http_client **client) {
    http_client_destroy(*client);
}

struct clock *http_client_clock(const struct http_client *client) {
    return client->clock;
}

CURLM *http_client_multi(const struct http_client *client) {
    return client->multi;
}

/// Called by libcurl for each new TLS connection.
static CURLcode set_trust(CURL *easy, void *context, void *user) {
    (void)easy;
    struct http_transfer *transfer = user;
    X509_STORE *store = http_trust_store(transfer->client->trust, &transfer->failure);
    if (!store) {
        return CURLE_SSL_CACERT_BADFILE;
    }
    SSL_CTX_set_cert_store(context, store);
    return CURLE_OK;
}

/// The port of the URL as text, to be released with curl_free(); NULL with an error.
static char *port_of(const char *url, struct error *err) {
    CURLU *parts = curl_url();
    char *port = NULL;
    const CURLUcode result =
        !parts ? CURLUE_OUT_OF_MEMORY : curl_url_set(parts, CURLUPART_URL, url, 0);
    if (result == CURLUE_OK) {
        (void)curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    }
    curl_url_cleanup(parts);
    if (!port) {
        error_set(err, "url", "%s",
                  result != CURLUE_OK ? curl_url_strerror(result)
                                      : "the protocol does not have a default port");
    }
    return port;
}

/// Tells libcurl the addresses of the names that are not to be looked up, for the ports that the
/// request and its redirects may use.
static bool set_hosts(const struct http_client *client, struct http_transfer *transfer,
                      const char *url, struct error *err) {
    char *port = port_of(url, err);
    if (!port) {
        return false;
    }
    const char *const ports[] = {port, "443", "80"};
    for (size_t i = 0; i < client->host_count; i++) {
        for (size_t p = 0; p < ARRAY_LENGTH(ports); p++) {
            cleanup_free char *entry =
                xasprintf("%s:%s:%s", client->hosts[2 * i], ports[p], client->hosts[2 * i + 1]);
            transfer->resolve = curl_slist_append(transfer->resolve, entry);
        }
    }
    curl_free(port);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, transfer->resolve);
    return true;
}

bool http_client_prepare(const struct http_client *client, struct http_transfer *transfer,
                         const char *url, struct error *err) {
    // A reused connection older than this was likely dropped by something in between.
    enum { OLDEST_CONNECTION_S = 50 };
    CURL *easy = transfer->easy;
    const char *protocols = client->allow_http ? "http,https" : "https";
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)OLDEST_CONNECTION_S);
    // Else the end of a transfer would wait for a name server that does not answer.
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    // The path is signed or was chosen by the caller: not to be tidied up.
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_trust);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, transfer);
    if (client->no_proxy) {
        (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    const struct slice scheme = slice_text(url);
    const bool plain =
        scheme.len > 7 && slice_equal_ignoring_case(slice_make(url, 7), SLICE("http://"));
    const bool secure =
        scheme.len > 8 && slice_equal_ignoring_case(slice_make(url, 8), SLICE("https://"));
    if (!secure && !(plain && client->allow_http)) {
        return error_set(err, "url", "must be a URL that begins with https://%s",
                         client->allow_http ? " or http://" : "");
    }
    if (!set_hosts(client, transfer, url, err)) {
        return false;
    }
    if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK) {
        return error_set(err, "url", "libcurl does not accept this URL");
    }
    return true;
}
