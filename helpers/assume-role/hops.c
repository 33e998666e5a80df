// SPDX-License-Identifier: Apache-2.0
#include "assume-role/hops.h"

#include <stdlib.h>

#include "assume-role/session_name.h"
#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/system/environment.h"
#include "common/system/files.h"

void hops_clean_up(struct hops *hops) {
    for (size_t i = 0; i < hops->count; i++) {
        secret_destroy(hops->items[i].token);
        free(hops->items[i].tags);
        free((void *)hops->items[i].policy_arns);
        free((void *)hops->items[i].transitive_keys);
    }
    for (size_t i = 0; i < hops->text_count; i++) {
        free(hops->texts[i]);
    }
    free(hops->items);
    free((void *)hops->texts);
    *hops = (struct hops){0};
}

void hops_add(struct hops *hops, const char *role_arn) {
    hops->items = xreallocarray(hops->items, hops->count + 1, sizeof(*hops->items));
    hops->items[hops->count++] = (struct hop){.assume.role_arn = role_arn};
}

struct hop *hops_last(const struct hops *hops, struct error *err) {
    if (hops->count == 0) {
        error_set(err, "usage",
                  "it stands before any --role-arn; a role's options follow its --role-arn");
        return NULL;
    }
    return &hops->items[hops->count - 1];
}

bool hops_set_duration(struct hops *hops, const char *value, struct error *err) {
    struct hop *hop = hops_last(hops, err);
    int64_t seconds = 0;
    if (!hop) {
        return false;
    }
    if (!slice_parse_integer(slice_text(value), &seconds) || seconds < STS_SHORTEST_SECONDS ||
        seconds > STS_LONGEST_SECONDS) {
        return error_set(err, "usage", "expected a whole number from %d to %d, not \"%s\"",
                         STS_SHORTEST_SECONDS, STS_LONGEST_SECONDS, value);
    }
    hop->assume.duration_seconds = seconds;
    return true;
}

// --- Checks -----------------------------------------------------------------------------------

bool hops_prefix(const struct hops *hops, size_t index, struct error *err) {
    // One that is too long leaves room to say so.
    return error_prefix(err, "hop %zu of %zu, %.256s", index + 1, hops->count,
                        hops->items[index].assume.role_arn);
}

static bool check_hop(const struct hops *hops, size_t index, struct error *err) {
    const struct hop *hop = &hops->items[index];
    const bool web = hop->token_file || hop->token_env;
    if (web && index > 0) {
        return error_set(err, "usage",
                         "a web identity token is for the first role; later ones are assumed with "
                         "the session of the one before");
    }
    if (hop->token_file && hop->token_env) {
        return error_set(err, "usage",
                         "give either --web-identity-token-file or --web-identity-token-env");
    }
    // What cannot go with a token is told before the token is there.
    cleanup_secret struct secret *stand_in = secret_new(SLICE("token"));
    struct sts_assume assume = hop->assume;
    assume.web_identity_token = web ? stand_in : NULL;
    return sts_check(&assume, err);
}

bool hops_finish(struct hops *hops, struct error *err) {
    for (size_t i = 0; i < hops->count; i++) {
        struct sts_assume *assume = &hops->items[i].assume;
        if (!assume->session_name) {
            hops->texts =
                xreallocarray((void *)hops->texts, hops->text_count + 1, sizeof(*hops->texts));
            hops->texts[hops->text_count] = session_name_default();
            assume->session_name = hops->texts[hops->text_count++];
        }
        if (!check_hop(hops, i, err)) {
            return hops_prefix(hops, i, err);
        }
    }
    return true;
}

static bool read_token(const struct hop *hop, struct buffer *text, struct error *err) {
    if (hop->token_file) {
        return files_read_within(hop->token_file, STS_TOKEN_WAIT_MS, text, err) ||
               error_prefix(err, "--web-identity-token-file");
    }
    const char *value = environment_value(hop->token_env);
    if (!value) {
        return error_set(err, "token",
                         "--web-identity-token-env: the variable %s is not set; in GitLab, "
                         "`id_tokens` of the job sets it",
                         hop->token_env);
    }
    buffer_append_text(text, value);
    return buffer_check(text, "--web-identity-token-env", err);
}

bool hops_read_token(struct hops *hops, struct error *err) {
    struct hop *hop = hops->items;
    if (hops->count == 0 || (!hop->token_file && !hop->token_env)) {
        return true;
    }
    cleanup_buffer struct buffer text = BUFFER_INIT_SENSITIVE(STS_LARGEST_TOKEN_FILE);
    if (!read_token(hop, &text, err)) {
        return hops_prefix(hops, 0, err);
    }
    const struct slice token = slice_trim(buffer_slice(&text));
    if (slice_find(token, '\0') < token.len || slice_find(token, '\n') < token.len) {
        error_set(err, "token", "the web identity token is more than one line");
        return hops_prefix(hops, 0, err);
    }
    hop->token = secret_new(token);
    hop->assume.web_identity_token = hop->token;
    return sts_check(&hop->assume, err) || hops_prefix(hops, 0, err);
}
