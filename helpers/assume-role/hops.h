// SPDX-License-Identifier: Apache-2.0
/// The roles to assume, one after another, as the command line gives them.
///
/// Lists take the aws CLI's forms: "Key=a,Value=b", "arn=...", or a JSON list; a value that begins
/// with file:// is read from that file.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/aws/sts.h"
#include "common/error.h"
#include "common/secret.h"

struct hop {
    /// Its lists and texts belong to the hop, or are borrowed from the command line.
    struct sts_assume assume;
    /// Where the OIDC token is; only the first hop may have one of them.
    const char *token_file;
    const char *token_env;
    struct secret *token;
    struct sts_tag *tags;
    const char **policy_arns;
    const char **transitive_keys;
};

/// Zeroed is empty.
struct hops {
    struct hop *items;
    size_t count;
    /// What was read from files and JSON, and made up.
    char **texts;
    size_t text_count;
};
#define cleanup_hops __attribute__((cleanup(hops_clean_up)))
void hops_clean_up(struct hops *hops);

/// Begins a hop; the functions below add to the last one, and fail ("usage") where there is none.
void hops_add(struct hops *hops, const char *role_arn);
/// The last hop, or NULL with an error.
struct hop *hops_last(const struct hops *hops, struct error *err);
bool hops_set_policy(struct hops *hops, const char *value, struct error *err);
bool hops_set_duration(struct hops *hops, const char *value, struct error *err);
bool hops_add_tags(struct hops *hops, const char *value, struct error *err);
bool hops_add_policy_arns(struct hops *hops, const char *value, struct error *err);
bool hops_add_transitive_keys(struct hops *hops, const char *value, struct error *err);

/// Gives session names to those that have none, and checks all that can be checked before anything
/// is read or sent. Messages name the hop.
bool hops_finish(struct hops *hops, struct error *err);
/// Reads the first hop's token, where it has one, from its file or variable.
bool hops_read_token(struct hops *hops, struct error *err);
/// Puts "hop 2 of 3, arn:...: " in front of the message. Returns false.
bool hops_prefix(const struct hops *hops, size_t index, struct error *err);
