// SPDX-License-Identifier: Apache-2.0
/// The links of the chain of base.h, for its own files only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assume-role/base.h"
#include "assume-role/config_file.h"
#include "common/buffer.h"

/// One profile in both files; either part may be NULL.
struct profile {
    const char *name;
    const struct config_section *config;
    const struct config_section *shared;
};

/// One walk over the chain. Owns its parts but what `options` lends.
struct chain {
    const struct base_options *options;
    struct clock *clock;
    char *config_path;
    char *shared_path;
    struct config_file config;
    struct config_file shared;
    /// The one that was chosen.
    struct profile profile;
    /// --profile was given.
    bool is_explicit;
    /// It was, or a variable names the profile.
    bool is_named;
    /// What was looked at in vain, for the message.
    struct buffer tried;
};
#define cleanup_chain __attribute__((cleanup(chain_clean_up)))

/// What a link of the chain says.
enum link {
    /// `base` has its credentials and source.
    LINK_FOUND,
    /// Nothing here: the next one.
    LINK_SKIPPED,
    /// It is configured and does not work: `err` says why, and the chain ends.
    LINK_FAILED,
};
typedef enum link (*link_function)(struct chain *chain, const struct profile *profile,
                                   struct base *base, struct error *err);

/// Reads both files and chooses the profile. Fails with "config" or "profile".
bool chain_init(struct chain *chain, const struct base_options *options, struct error *err);
void chain_clean_up(struct chain *chain);
/// Adds a link that was skipped, and why, to what the last message lists.
void chain_note(struct chain *chain, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Milliseconds left, at most `most`; 0 when the deadline is over.
int64_t chain_left_ms(const struct chain *chain, int64_t most);

/// False where neither file has it.
bool profile_find(const struct chain *chain, const char *name, struct profile *profile);
/// The value: the credentials file's before the config file's. NULL where there is none, or it is
/// empty.
const char *profile_get(const struct profile *profile, const char *key);
/// A path with a leading "~/" replaced by the home folder, the root where there is none; to be
/// released with free().
char *path_expanded(const char *path);

/// Takes the keys into `base` with their source, which is formatted.
void base_take(struct base *base, struct aws_credentials *credentials, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/// Reads AccessKeyId, SecretAccessKey, the token called `token_key` and Expiration from an answer
/// called `name` in messages. Fails with `code` on a missing part and on keys that are expired.
bool credentials_from_json(struct chain *chain, struct slice text, const char *name,
                           const char *code, const char *token_key,
                           struct aws_credentials *credentials, struct error *err);

// The links, in no order. Those that do not need a profile do not look at it.
enum link link_environment(struct chain *chain, const struct profile *profile, struct base *base,
                           struct error *err);
/// role_arn with source_profile or credential_source.
enum link link_role(struct chain *chain, const struct profile *profile, struct base *base,
                    struct error *err);
/// web_identity_token_file; the environment's only for the chosen profile and without --profile.
enum link link_web_identity(struct chain *chain, const struct profile *profile, struct base *base,
                            struct error *err);
/// All that one profile itself may hold, roles left out: web identity, shared credentials file,
/// credential_process, config file.
enum link link_profile(struct chain *chain, const struct profile *profile, struct base *base,
                       struct error *err);
enum link link_process(struct chain *chain, const struct profile *profile, struct base *base,
                       struct error *err);
enum link link_container(struct chain *chain, const struct profile *profile, struct base *base,
                         struct error *err);
/// Instance metadata, version 2. What fails here is skipped with a note: most machines have none.
enum link link_metadata(struct chain *chain, const struct profile *profile, struct base *base,
                        struct error *err);
