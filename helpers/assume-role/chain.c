// SPDX-License-Identifier: Apache-2.0
#include "assume-role/chain.h"

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
    return connection->base.is_session &&
           sts_get_caller_identity(connection->client, connection->deadline_ms, &identity,
                                   &ignored) &&
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

static bool assume(struct connection *connection, const struct hops *hops, size_t index,
                   struct sts_session *session, const char **hint, struct error *err) {
    struct sts_assume what = hops->items[index].assume;
    what.duration_seconds = duration_of(connection, hops, index);
    if (!sts_assume_role(connection->client, &what, connection->deadline_ms, session, err)) {
        *hint = hints_for(err, &what);
        return hops_prefix(hops, index, err);
    }
    const struct timestamp until = timestamp_rfc3339_seconds(session->credentials.expires_ms);
    log_debug("assumed a role", log_int("hop", (int64_t)index + 1), log_text("arn", session->arn),
              log_text("until", until.text));
    return true;
}

/// One run over the hops.
struct walk {
    struct connection *connection;
    const struct hops *hops;
    const char **hint;
};

static bool walk(const struct session_request *request, struct sts_session *session,
                 struct error *err) {
    const struct walk *walk = request->context;
    for (size_t i = 0; i < walk->hops->count; i++) {
        if (i > 0) {
            connection_use(walk->connection, &session->credentials);
            sts_session_clean_up(session);
        }
        if (!assume(walk->connection, walk->hops, i, session, walk->hint, err)) {
            return false;
        }
    }
    return true;
}

bool chain_run(struct connection *connection, const struct hops *hops, struct sts_session *session,
               const char **hint, struct error *err) {
    *hint = NULL;
    cleanup_free struct sts_assume *roles = xcalloc(hops->count, sizeof(*roles));
    for (size_t i = 0; i < hops->count; i++) {
        roles[i] = hops->items[i].assume;
    }
    const struct walk context = {.connection = connection, .hops = hops, .hint = hint};
    const struct session_request request = {
        .client = connection->client,
        .credentials = &connection->base.credentials,
        .roles = roles,
        .role_count = hops->count,
        .clock = connection->clock,
        .deadline_ms = connection->deadline_ms,
        .use_cache = connection->use_cache,
        .call = walk,
        .context = &context,
    };
    if (!session_request_send(&request, session, err)) {
        return false;
    }
    connection_use(connection, &session->credentials);
    return true;
}
