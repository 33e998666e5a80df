// SPDX-License-Identifier: Apache-2.0
/// Credentials to start from: the SDKs' default chain, in botocore's order.
///
/// environment -> the profile's role (role_arn with source_profile or credential_source) -> web
/// identity (environment, profile) -> keys of the shared credentials file -> credential_process ->
/// keys of the config file -> container endpoint -> instance metadata (version 2 only).
///
/// First it is opened, which reads the files; then the program makes its clients with the settings;
/// then it looks for credentials.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aws/credentials.h"
#include "common/aws/endpoint.h"
#include "common/aws/sts.h"
#include "common/clock.h"
#include "common/error.h"

/// All borrowed for the life of the chain.
struct chain_options {
    /// Leaves the environment's keys and web identity out. NULL: AWS_PROFILE, else
    /// AWS_DEFAULT_PROFILE, else "default".
    const char *profile;
    /// NULL: the system's.
    struct clock *clock;
    /// Unix epoch; for all of it; 0: none.
    int64_t deadline_ms;
};

/// What the profile says of the way to AWS.
struct chain_settings {
    /// Its region is NULL where the profile names none; the environment's wins over it. Its URL is
    /// that for STS, from the profile's `services` section or for all services: NULL where it names
    /// none, or the environment says something about endpoints, which wins.
    struct aws_endpoint endpoint;
    /// sts_regional_endpoints; NULL where it says nothing.
    const char *sts_regional;
    /// NULL where it names none, or AWS_CA_BUNDLE is set.
    const char *ca_bundle;
};

/// What the chain needs of the program that uses it; all borrowed for the time of chain_find().
struct chain_program {
    /// Assumes the role of a profile, as sts_assume_role() does. `session` is zeroed.
    bool (*assume)(void *context, const struct sts_assume *role, struct sts_session *session,
                   struct error *err);
    void *context;
    /// Of the sessions of roles whose profile names none.
    const char *session_name;
    /// Its path: a credential_process that starts it is skipped. NULL: none is.
    const char *path;
};

/// What was found. Owns its parts.
struct chain_found {
    struct aws_credentials credentials;
    /// For messages: "environment", "profile ci (credential_process)".
    char *source;
};
#define cleanup_chain_found __attribute__((cleanup(chain_found_clean_up)))
void chain_found_clean_up(struct chain_found *found);

struct chain;
#define cleanup_chain __attribute__((cleanup(chain_closep)))

/// Reads both files and chooses the profile: needs no network and starts no process. NULL on
/// failure, with the code "profile" (there is none of that name) or "config" (the files or
/// variables are wrong).
struct chain *chain_open(const struct chain_options *options, struct error *err);
void chain_close(struct chain *chain);
void chain_closep(struct chain **chain);
/// Valid until the chain is closed.
const struct chain_settings *chain_settings(const struct chain *chain);
/// Changes the endpoint, whose region is known, to STS's for all regions, where
/// sts_regional_endpoints (AWS_STS_REGIONAL_ENDPOINTS wins) is "legacy", and the region was there
/// before regional endpoints were: https://sts.amazonaws.com, signed for us-east-1. Only where
/// nothing else says where STS is. Fails with the codes "config" (another setting) and "region".
bool chain_place_sts(const struct chain_settings *settings, struct aws_endpoint *endpoint,
                     struct error *err);

/// Finds credentials. `found` is initialised here and to be cleaned up by the caller, on failure
/// too. Codes of errors, beside the two above: "partial" (a key without the other), "expired",
/// "unsupported" (SSO, MFA), "process", "container", "metadata", "none" (nothing was found; the
/// message lists what was looked at), and those of sts.h and http.h.
bool chain_find(struct chain *chain, const struct chain_program *program, struct chain_found *found,
                struct error *err);
