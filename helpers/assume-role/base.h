// SPDX-License-Identifier: Apache-2.0
/// The credentials that the first hop starts from: the SDKs' default chain, in botocore's order.
///
/// environment -> the profile's role (role_arn with source_profile or credential_source) -> web
/// identity (environment, profile) -> keys of the shared credentials file -> credential_process ->
/// keys of the config file -> container endpoint -> instance metadata (version 2 only).
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aws/calls.h"
#include "common/clock.h"
#include "common/error.h"

/// All borrowed for the time of the call.
struct base_options {
    /// --profile: leaves the environment's keys and web identity out. NULL: AWS_PROFILE, else
    /// AWS_DEFAULT_PROFILE, else "default".
    const char *profile;
    /// For the STS calls of profiles with a role; not needed by base_settings().
    struct aws_client *client;
    /// NULL: the system's.
    struct clock *clock;
    /// Unix epoch; for all of it; 0: none.
    int64_t deadline_ms;
    /// The sessions of profiles with a role may come from the cache.
    bool use_cache;
    /// The path of this program: a credential_process that starts it is skipped. NULL: none is.
    const char *own_program;
};

/// What was found. Owns its parts.
struct base {
    struct aws_credentials credentials;
    /// The profile's, NULL where it names none; the environment's wins over it.
    char *region;
    /// The profile's for STS, from its `services` section or for all services. NULL where it names
    /// none, or the environment says something about endpoints, which wins.
    char *endpoint_url;
    /// The profile's use_fips_endpoint and use_dualstack_endpoint, for struct aws_client_options.
    bool use_fips;
    bool use_dual_stack;
    /// The profile's `ca_bundle`; NULL where it names none, or AWS_CA_BUNDLE is set.
    char *ca_bundle;
    /// For messages: "environment", "profile ci (credential_process)".
    char *source;
    /// The keys are those of a session: a role assumed with them is chained.
    bool is_session;
};
#define cleanup_base __attribute__((cleanup(base_clean_up)))
void base_clean_up(struct base *base);

/// Finds credentials, and the settings too. `base` is initialised here and to be cleaned up by the
/// caller, on failure too. Codes of errors: "profile" (there is none of that name), "config" (the
/// files or variables are wrong), "partial" (a key without the other), "unsupported" (SSO, MFA),
/// "process", "container", "metadata", "none" (nothing was found; the message lists what was
/// looked at), and those of sts.h and http.h.
bool base_find(const struct base_options *options, struct base *base, struct error *err);

/// The settings alone, without credentials: needs no network and starts no process. For hops that
/// need none, and to make the HTTP client with the profile's CA file before base_find().
bool base_settings(const struct base_options *options, struct base *base, struct error *err);
