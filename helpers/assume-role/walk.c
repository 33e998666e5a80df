// SPDX-License-Identifier: Apache-2.0
#include "assume-role/walk.h"

#include <string.h>

#include "assume-role/hints.h"
#include "assume-role/session_request.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/timestamp.h"

/// Tells whether the keys to start from are an assumed role's, as a user's own sessions are no
/// chain. Where STS does not say, they are not known to be.
static bool starts_from_a_role(struct connection *connection) {
    cleanup_sts_identity struct sts_identity identity = {0};
    struct error ignored;
    return connection->start.credentials.session_token &&
           sts_get_caller_identity(connection->client, &connection->start.credentials,
                                   connection->deadline_ms, &identity, &ignored) &&
           strstr(identity.arn, ":assumed-role/");
}

/// The time to ask for: what STS would refuse to a chained session is cut, and told.
static int64_t duration_of(struct connection *connection, const struct hops *hops, size_t index) {
    const struct sts_assume *assume = &hops->items[index].assume;
    const int64_t wanted = assume->duration_seconds;
    if (wanted <= STS_LONGEST_CHAINED_SECONDS || assume->web_identity_token ||
        (index == 0 && !starts_from_a_role(connection))) {
        return wanted;
    }
    struct error warning;
    error_set(&warning, "chained",
              "asking for %d seconds instead of %lld: this role is assumed with the session of "
              "another role, and STS ends such sessions after an hour",
              STS_LONGEST_CHAINED_SECONDS, (long long)wanted);
    hops_prefix(hops, index, &warning);
    log_warn(warning.message);
    return STS_LONGEST_CHAINED_SECONDS;
}

/// One run over the hops.
struct walk {
    struct connection *connection;
    const struct hops *hops;
    const char **hint;
};

static bool assume(const struct walk *walk, size_t index, const struct aws_credentials *credentials,
                   struct sts_session *session, struct error *err) {
    struct connection *connection = walk->connection;
    const struct hops *hops = walk->hops;
    struct sts_assume what = hops->items[index].assume;
    what.credentials = credentials;
    what.duration_seconds = duration_of(connection, hops, index);
    if (!sts_assume_role(connection->client, &what, connection->deadline_ms, session, err)) {
        *walk->hint = hints_for(err, &what);
        return hops_prefix(hops, index, err);
    }
    const struct timestamp until = timestamp_rfc3339_seconds(session->credentials.expires_ms);
    log_debug("assumed a role", log_int("hop", (int64_t)index + 1), log_text("arn", session->arn),
              log_text("until", until.text));
    return true;
}

static bool walk_hops(const struct session_request *request, struct sts_session *session,
                      struct error *err) {
    const struct walk *walk = request->context;
    for (size_t i = 0; i < walk->hops->count; i++) {
        cleanup_sts_session struct sts_session before = *session;
        *session = (struct sts_session){0};
        const struct aws_credentials *credentials =
            i > 0 ? &before.credentials : request->roles[0].credentials;
        if (!assume(walk, i, credentials, session, err)) {
            return false;
        }
    }
    return true;
}

bool walk_run(struct connection *connection, const struct hops *hops, struct sts_session *session,
              const char **hint, struct error *err) {
    *hint = NULL;
    cleanup_free struct sts_assume *roles = xcalloc(hops->count, sizeof(*roles));
    for (size_t i = 0; i < hops->count; i++) {
        roles[i] = hops->items[i].assume;
    }
    roles[0].credentials = &connection->start.credentials;
    const struct walk context = {.connection = connection, .hops = hops, .hint = hint};
    const struct session_request request = {
        .client = connection->client,
        .roles = roles,
        .role_count = hops->count,
        .clock = connection->clock,
        .deadline_ms = connection->deadline_ms,
        .use_cache = connection->use_cache,
        .call = walk_hops,
        .context = &context,
    };
    return session_request_send(&request, session, err);
}
