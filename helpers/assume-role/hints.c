// SPDX-License-Identifier: Apache-2.0
#include "assume-role/hints.h"

#include <stddef.h>
#include <string.h>

#include "common/array.h"

/// When a hint fits; the first that does is taken.
struct hint {
    const char *code;
    /// A part of the message; NULL: any.
    const char *part;
    const char *text;
};

static const struct hint hints[] = {
    {"AccessDenied", "service control policy",
     "an organization's service control policy forbids it; the role's own policies cannot help"},
    {"AccessDenied", "sts:TagSession",
     "session tags are sent: the role's trust policy, and the caller's own policy, must allow "
     "sts:TagSession beside sts:AssumeRole"},
    {"AccessDenied", "sts:SetSourceIdentity",
     "a source identity is sent, or persists from the session before: the role's trust policy, and "
     "the caller's own policy, must allow sts:SetSourceIdentity beside sts:AssumeRole"},
    {"AccessDenied", "sts:AssumeRoleWithWebIdentity",
     "the role's trust policy must name the token's issuer as its federated principal, and its "
     "conditions must match the token's aud and sub"},
    {"AccessDenied", "no identity-based policy",
     "the caller's own policy does not allow sts:AssumeRole on this role"},
    {"AccessDenied", "explicit deny", "a policy that the message names denies it"},
    {"ExpiredToken", NULL, "the credentials to start from have expired: get new ones"},
    {"ExpiredTokenException", NULL,
     "the token, or the credentials to start from, has expired: get a new one"},
    {"InvalidClientTokenId", NULL,
     "STS does not know the keys to start from: they were deleted, are of another partition, or "
     "the region is not enabled in their account"},
    {"SignatureDoesNotMatch", NULL, "the secret key does not belong to the access key"},
    {"InvalidIdentityToken", "valid JWT",
     "what was given is not an OIDC token: in GitLab, `id_tokens` of the job sets variables that "
     "are"},
    {"InvalidIdentityToken", NULL,
     "the role's account must have an OIDC provider for the token's issuer that lists the token's "
     "audience"},
    {"IDPRejectedClaim", NULL, "the token's issuer or its claims are not accepted: is it fresh?"},
    {"IDPCommunicationError", NULL,
     "AWS cannot reach the token's issuer to fetch its keys; they must be public"},
    {"RegionDisabledException", NULL,
     "STS is not enabled in this region for the account: enable it, or give another --region"},
    {"ValidationError", "role chaining",
     "a session assumed with another session's keys lasts 3600 seconds at most: give a shorter "
     "--duration-seconds"},
    {"ValidationError", "MaxSessionDuration",
     "give a shorter --duration-seconds, or raise the role's maximum session duration"},
    {"PackedPolicyTooLarge", NULL, "shorten the session policy, or send fewer tags"},
    {"certificate", "SSL certificate problem",
     "where an authority of your own or a proxy signs certificates, name a file with its own "
     "certificate in AWS_CA_BUNDLE"},
    {"MalformedPolicyDocument", NULL, "the session policy is not valid"},
};

static const char *denied(const struct sts_assume *assume) {
    if (assume->external_id) {
        return "the role's trust policy must allow the caller, with just this external id, and the "
               "caller's own policy must allow sts:AssumeRole on the role";
    }
    return "the role's trust policy must allow the caller (does it want an external id? give "
           "--external-id), and the caller's own policy must allow sts:AssumeRole on the role";
}

const char *hints_for(const struct error *err, const struct sts_assume *assume) {
    for (size_t i = 0; i < ARRAY_LENGTH(hints); i++) {
        if (error_is(err, hints[i].code) &&
            (!hints[i].part || strstr(err->message, hints[i].part))) {
            return hints[i].text;
        }
    }
    return assume && error_is(err, "AccessDenied") ? denied(assume) : NULL;
}
