// SPDX-License-Identifier: Apache-2.0
/// The certificates that servers are checked against.
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/http/http_transfer.h"

struct http_trust {
    pthread_mutex_t lock;
    char *extra_ca_file;
    X509_STORE *store;
};

struct http_trust *http_trust_new(const char *extra_ca_file) {
    struct http_trust *trust = xcalloc(1, sizeof(*trust));
    (void)pthread_mutex_init(&trust->lock, NULL);
    trust->extra_ca_file =
        extra_ca_file && extra_ca_file[0] != '\0' ? xstrdup(extra_ca_file) : NULL;
    return trust;
}

void http_trust_destroy(struct http_trust *trust) {
    if (!trust) {
        return;
    }
    X509_STORE_free(trust->store);
    (void)pthread_mutex_destroy(&trust->lock);
    free(trust->extra_ca_file);
    free(trust);
}

const char *http_system_ca_file(void) {
    static const char *const places[] = {
        "/etc/pki/tls/certs/ca-bundle.crt",   // Amazon Linux, Fedora
        "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine
        NULL,
    };
    const char *set = getenv("SSL_CERT_FILE");
    if (set && set[0] != '\0') {
        return set;
    }
    for (const char *const *place = places; *place; place++) {
        if (access(*place, R_OK) == 0) {
            return *place;
        }
    }
    return NULL;
}

static bool load(X509_STORE *store, const char *path, struct error *err) {
    ERR_clear_error();
    if (X509_STORE_load_file(store, path) == 1) {
        return true;
    }
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return error_set(err, "certificate", "cannot read the CA certificates in %s: %s", path,
                     access(path, R_OK) != 0 ? "it does not exist or is not readable"
                     : reason                ? reason
                                             : "it does not contain a certificate");
}

static X509_STORE *load_all(const struct http_trust *trust, struct error *err) {
    X509_STORE *store = X509_STORE_new();
    if (!store) {
        error_set(err, "certificate", "cannot make a certificate store");
        return NULL;
    }
    // As libcurl does: whatever is in the files is trusted, be it a root or not.
    (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    const char *system_file = http_system_ca_file();
    bool loaded = true;
    if (system_file) {
        loaded = load(store, system_file, err);
    } else if (!trust->extra_ca_file) {
        loaded =
            error_set(err, "certificate",
                      "there are no CA certificates: set SSL_CERT_FILE to a file that has them");
    }
    if (loaded && trust->extra_ca_file) {
        loaded = load(store, trust->extra_ca_file, err);
    }
    if (!loaded) {
        X509_STORE_free(store);
        return NULL;
    }
    return store;
}

struct x509_store_st *http_trust_store(struct http_trust *trust, struct error *err) {
    (void)pthread_mutex_lock(&trust->lock);
    if (!trust->store) {
        trust->store = load_all(trust, err);
    }
    X509_STORE *store = trust->store;
    if (store) {
        (void)X509_STORE_up_ref(store);
    }
    (void)pthread_mutex_unlock(&trust->lock);
    return store;
}
