// SPDX-License-Identifier: Apache-2.0
/// The providers of the chain, for its own files only: each looks for credentials in one place.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/chain/chain.h"
#include "common/aws/chain/profile.h"
#include "common/buffer.h"

/// Owns its parts but what `program` lends.
struct chain {
    struct clock *clock;
    int64_t deadline_ms;
    struct profiles profiles;
    struct chain_settings settings;
    /// Those of the settings that are not in the files as they are.
    char *endpoint_url;
    char *ca_bundle;
    /// While it looks for credentials.
    const struct chain_program *program;
    /// What was looked at in vain, for the message.
    struct buffer tried;
};

/// What a provider says.
enum provider_result {
    /// `found` has its credentials and source.
    PROVIDER_FOUND,
    /// Nothing here: the next one.
    PROVIDER_SKIPPED,
    /// It is configured and does not work: `err` says why, and the chain ends.
    PROVIDER_FAILED,
};
typedef enum provider_result (*provider)(struct chain *chain, const struct profile *profile,
                                         struct chain_found *found, struct error *err);

// --- The providers, in no order; those that do not need a profile do not look at it -----------

enum provider_result provider_environment(struct chain *chain, const struct profile *profile,
                                          struct chain_found *found, struct error *err);
/// role_arn with source_profile or credential_source.
enum provider_result provider_role(struct chain *chain, const struct profile *profile,
                                   struct chain_found *found, struct error *err);
/// All that one profile itself may hold, roles left out: web identity, shared credentials file,
/// credential_process, config file.
enum provider_result provider_profile(struct chain *chain, const struct profile *profile,
                                      struct chain_found *found, struct error *err);
/// web_identity_token_file; the environment's only for the chosen profile, and not where the
/// program named it.
enum provider_result provider_web_identity(struct chain *chain, const struct profile *profile,
                                           struct chain_found *found, struct error *err);
enum provider_result provider_process(struct chain *chain, const struct profile *profile,
                                      struct chain_found *found, struct error *err);
enum provider_result provider_container(struct chain *chain, const struct profile *profile,
                                        struct chain_found *found, struct error *err);
/// Instance metadata, version 2. What fails here is skipped with a note: most machines have none.
enum provider_result provider_metadata(struct chain *chain, const struct profile *profile,
                                       struct chain_found *found, struct error *err);

/// What a process or an endpoint may answer.
enum { PROVIDER_LARGEST_ANSWER = 64 << 10 };

// --- What they share --------------------------------------------------------------------------

/// Adds a provider that was skipped, and why, to what the last message lists.
void provider_note(struct chain *chain, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/// Asks the providers one after another; the first that does not skip has the word.
enum provider_result provider_first(struct chain *chain, const provider *providers, size_t count,
                                    const struct profile *profile, struct chain_found *found,
                                    struct error *err);
/// Milliseconds left, at most `most`; 0 when the deadline is over.
int64_t provider_left_ms(const struct chain *chain, int64_t most);
/// Takes the keys into `found` with their source, which is formatted.
void provider_take(struct chain_found *found, struct aws_credentials *credentials,
                   const char *format, ...) __attribute__((format(printf, 3, 4)));
/// Reads AccessKeyId, SecretAccessKey, the token called `token_key` and Expiration from an answer
/// called `name` in messages. Fails with `code` on a missing part and on keys that are expired.
bool provider_read_json(const struct chain *chain, struct slice text, const char *name,
                        const char *code, const char *token_key,
                        struct aws_credentials *credentials, struct error *err);
/// Assumes the profile's role with what `found` has, or with the token, and puts the session in its
/// place. The session's name, where `role` has none, and its duration are the profile's.
bool provider_assume(const struct chain *chain, const struct profile *profile,
                     struct sts_assume *role, struct chain_found *found, struct error *err);
