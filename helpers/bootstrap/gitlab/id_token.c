// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/id_token.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "bootstrap/gitlab/jwt.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/http/http.h"
#include "common/log.h"

#define DISCOVERY_PATH "/.well-known/openid-configuration"
#define KEYS_PATH "/oauth/discovery/keys"
/// Of GitLab's keys, and of its word on where they are.
static const size_t LARGEST_KEY_SET = (size_t)256 << 10;

static const int64_t FETCH_MS = 5000;
static const int64_t KEYS_LAST_MS = 3600000;
static const int64_t REFETCH_AFTER_MS = 60000;
/// How far GitLab's clock may be ahead of ours.
static const int64_t SKEW_MS = 60000;

struct id_token_verifier {
    struct gitlab *gitlab;
    struct clock *clock;
    char *server_url;
    char *audience;
    /// Held while the keys are read, too.
    pthread_mutex_t lock;
    /// Of the call under way.
    int cancel_fd;
    /// What GitLab calls itself in its tokens; NULL: not known, or as its URL.
    char *issuer;
    struct jwt_keys *keys;
    int64_t fetched_ms;
};

struct id_token_verifier *id_token_verifier_new(const struct id_token_options *options) {
    struct id_token_verifier *verifier = xcalloc(1, sizeof(*verifier));
    verifier->gitlab = options->gitlab;
    verifier->clock = gitlab_clock(options->gitlab);
    verifier->server_url = xstrdup(options->server_url);
    verifier->audience = xstrdup(options->audience);
    pthread_mutex_init(&verifier->lock, NULL);
    return verifier;
}

void id_token_verifier_destroy(struct id_token_verifier *verifier) {
    if (verifier) {
        jwt_keys_destroy(verifier->keys);
        free(verifier->issuer);
        free(verifier->audience);
        free(verifier->server_url);
        pthread_mutex_destroy(&verifier->lock);
        free(verifier);
    }
}

void id_token_claims_clean_up(struct id_token_claims *claims) {
    free(claims->pipeline_source);
    free(claims->environment);
    free(claims->user_login);
    *claims = (struct id_token_claims){0};
}

// --- GitLab's keys -------------------------------------------------------------------------------

static bool fetch(struct id_token_verifier *verifier, const char *url, int64_t until_ms,
                  struct http_response *response, struct error *err) {
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .deadline_ms = until_ms,
        .cancel_fd = verifier->cancel_fd,
        .max_redirects = 3,
    };
    const struct http_retry retry = {.attempts = 3, .base_ms = 200, .cap_ms = 1000};
    struct http_client *client = gitlab_borrow(verifier->gitlab);
    const bool answered = http_send(client, &request, &retry, response, err);
    gitlab_return(verifier->gitlab, client);
    return answered &&
           (response->status == 200 ||
            error_set(err, "status", "%s answered with status %d", url, response->status));
}

/// Where the keys are, by GitLab's own word, and what it calls itself. Both stay as they are where
/// it does not say.
static void discover(struct id_token_verifier *verifier, int64_t until_ms, char **keys_url,
                     char **issuer) {
    cleanup_free char *url = xasprintf("%s" DISCOVERY_PATH, verifier->server_url);
    cleanup_http_response struct http_response response;
    cleanup_json_document struct json_document document = {0};
    struct error err;
    struct slice text;
    http_response_init(&response, LARGEST_KEY_SET);
    if (!fetch(verifier, url, until_ms, &response, &err) ||
        !json_parse(buffer_slice(&response.body), "openid-configuration", &document, &err) ||
        !json_get_string(&document.root, "jwks_uri", &text, &err)) {
        log_debug("GitLab does not say where its keys are", LOG_ERROR_FIELDS(&err));
        return;
    }
    free(*keys_url);
    *keys_url = slice_copy(text);
    if (json_get_string(&document.root, "issuer", &text, &err) && text.len > 0) {
        *issuer = slice_copy(text);
    }
}

/// Replaces the keys; on failure the old ones are kept. With the lock held.
static bool read_keys(struct id_token_verifier *verifier, struct error *err) {
    const int64_t until_ms = clock_now_ms(verifier->clock) + FETCH_MS;
    cleanup_free char *keys_url = xasprintf("%s" KEYS_PATH, verifier->server_url);
    cleanup_free char *issuer = NULL;
    cleanup_http_response struct http_response response;
    http_response_init(&response, LARGEST_KEY_SET);
    discover(verifier, until_ms, &keys_url, &issuer);
    struct jwt_keys *keys = fetch(verifier, keys_url, until_ms, &response, err)
                                ? jwt_keys_parse(buffer_slice(&response.body), err)
                                : NULL;
    if (!keys) {
        return error_set(err, "keys", "cannot read GitLab's keys from %s: %s", keys_url,
                         err->message);
    }
    jwt_keys_destroy(verifier->keys);
    verifier->keys = keys;
    free(verifier->issuer);
    verifier->issuer = steal_pointer(&issuer);
    verifier->fetched_ms = clock_now_ms(verifier->clock);
    return true;
}

/// With the lock held.
static bool check_signature(struct id_token_verifier *verifier, const struct jwt *jwt,
                            struct error *err) {
    const int64_t age_ms = clock_now_ms(verifier->clock) - verifier->fetched_ms;
    if ((!verifier->keys || age_ms > KEYS_LAST_MS || age_ms < 0) && !read_keys(verifier, err)) {
        return false;
    }
    if (jwt_verify(jwt, verifier->keys, err)) {
        return true;
    }
    if (!error_is(err, "key") ||
        clock_now_ms(verifier->clock) - verifier->fetched_ms < REFETCH_AFTER_MS) {
        return false;
    }
    return read_keys(verifier, err) && jwt_verify(jwt, verifier->keys, err);
}

// --- Claims --------------------------------------------------------------------------------------

static bool not_ours(struct error *err, const char *claim, const char *what) {
    return error_set(err, "claims", "the token's %s %s", claim, what);
}

static bool claim_is(const struct json *claims, const char *name, const char *expected) {
    struct error reason;
    struct slice text;
    return expected && json_get_string(claims, name, &text, &reason) &&
           slice_equal_text(text, expected);
}

/// GitLab writes numbers of things as texts; a number would be as good.
static bool claim_is_id(const struct json *claims, const char *name, int64_t expected) {
    struct error reason;
    struct slice text;
    int64_t number = 0;
    const bool had = json_get_string(claims, name, &text, &reason)
                         ? slice_parse_integer(text, &number)
                         : json_get_integer(claims, name, &number, &reason);
    return had && expected > 0 && number == expected;
}

static bool has_audience(const struct json *claims, const char *audience) {
    struct error reason;
    struct json list;
    struct slice text;
    if (!json_get_array(claims, "aud", &list, &reason)) {
        return claim_is(claims, "aud", audience);
    }
    struct json_iterator it = {0};
    while (json_each(&list, &it)) {
        if (json_as_string(&it.value, &text, &reason) && slice_equal_text(text, audience)) {
            return true;
        }
    }
    return false;
}

static bool check_times(const struct json *claims, int64_t now_ms, struct error *err) {
    struct error reason;
    int64_t seconds = 0;
    if (!json_get_integer(claims, "exp", &seconds, &reason)) {
        return not_ours(err, "exp", "does not say when it ends");
    }
    if (seconds <= now_ms / 1000) {
        return not_ours(err, "exp", "is over: it has expired");
    }
    if (!json_has(claims, "nbf")) {
        return true;
    }
    return (json_get_integer(claims, "nbf", &seconds, &reason) &&
            seconds <= (now_ms + SKEW_MS) / 1000) ||
           not_ours(err, "nbf", "is still to come");
}

static bool check_claims(const struct id_token_verifier *verifier, const struct json *claims,
                         const struct job_identity *identity, struct error *err) {
    if (!claim_is(claims, "iss", verifier->server_url) &&
        !claim_is(claims, "iss", verifier->issuer)) {
        return not_ours(err, "iss", "is not this GitLab");
    }
    if (!has_audience(claims, verifier->audience)) {
        return error_set(err, "claims",
                         "the token's aud is not %s: write id_tokens: { " ID_TOKEN_NAME
                         ": { aud: \"%s\" } } in .gitlab-ci.yml",
                         verifier->audience, verifier->audience);
    }
    if (!check_times(claims, clock_now_ms(verifier->clock), err)) {
        return false;
    }
    if (!claim_is_id(claims, "job_id", identity->job_id)) {
        return not_ours(err, "job_id", "is another job");
    }
    return claim_is_id(claims, "project_id", identity->project_id) ||
           not_ours(err, "project_id", "is another project");
}

static char *take_text(const struct json *claims, const char *name) {
    struct error not_there;
    struct slice text;
    return json_get_string(claims, name, &text, &not_there) && text.len > 0 ? slice_copy(text)
                                                                            : NULL;
}

bool id_token_verify(struct id_token_verifier *verifier, struct slice token,
                     const struct job_identity *identity, int cancel_fd,
                     struct id_token_claims *claims, struct error *err) {
    cleanup_jwt struct jwt jwt = {0};
    if (!jwt_parse(token, &jwt, err)) {
        return false;
    }
    pthread_mutex_lock(&verifier->lock);
    verifier->cancel_fd = cancel_fd;
    const bool good = check_signature(verifier, &jwt, err) &&
                      check_claims(verifier, &jwt.claims.root, identity, err);
    pthread_mutex_unlock(&verifier->lock);
    if (good) {
        *claims = (struct id_token_claims){
            .pipeline_source = take_text(&jwt.claims.root, "pipeline_source"),
            .environment = take_text(&jwt.claims.root, "environment"),
            .user_login = take_text(&jwt.claims.root, "user_login"),
        };
    }
    return good;
}

bool id_token_find(struct id_token_verifier *verifier, const struct job *job, int cancel_fd,
                   struct id_token_claims *claims) {
    struct error err;
    bool tried = false;
    for (size_t i = 0; i < job->tokens.count; i++) {
        const struct job_token *token = &job->tokens.list[i];
        if (strcmp(token->name, ID_TOKEN_NAME) != 0) {
            continue;
        }
        if (id_token_verify(verifier, secret_expose(token->value), &job->identity, cancel_fd,
                            claims, &err)) {
            return true;
        }
        tried = true;
        if (error_is(&err, "keys")) {
            break; // Each further one would wait as long.
        }
    }
    if (tried) {
        log_warn("the job's " ID_TOKEN_NAME " is not good: its session goes without "
                 "pipeline_source, environment and user_login",
                 log_int("job", job->identity.job_id), LOG_ERROR_FIELDS(&err));
    }
    return false;
}
