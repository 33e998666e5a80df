// SPDX-License-Identifier: Apache-2.0
#include "common/aws/endpoint.h"

#include <unistd.h>

#include "common/system/environment.h"

struct partition {
    /// What its regions begin with.
    const char *prefix;
    const char *suffix;
    const char *dual_stack_suffix;
};

static const struct partition partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"us-gov-", "amazonaws.com", "api.aws"},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"", "amazonaws.com", "api.aws"},
};

static const struct partition *partition_of(const char *region) {
    const struct partition *partition = partitions;
    while (!slice_starts_with(slice_text(region), slice_text(partition->prefix))) {
        partition++; // The last one takes all.
    }
    return partition;
}

/// Names of the SDKs for "no region", of which none is a part of a host's name.
static bool is_pseudo_region(const char *region) {
    const struct slice text = slice_text(region);
    return slice_ends_with(text, SLICE("-global")) || slice_starts_with(text, SLICE("fips-")) ||
           slice_ends_with(text, SLICE("-fips"));
}

/// It becomes a part of a host's name.
static bool check_region(const char *region, struct error *err) {
    if (is_pseudo_region(region)) {
        return error_set(err, "region",
                         "\"%s\" is a pseudo-region: name a real one, such as us-east-1, and set "
                         "AWS_USE_FIPS_ENDPOINT=true where FIPS is asked for",
                         region);
    }
    const size_t length = strlen(region);
    const bool good = length > 0 && length < 64 &&
                      strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
                      region[0] != '-' && region[length - 1] != '-';
    return good ||
           error_set(err, "region", "\"%s\" is not a region's name, such as eu-central-1", region);
}

/// What the variable says, else `fallback`.
static bool is_asked_for(const char *name, bool fallback) {
    return environment_value(name) ? environment_is_true(name) : fallback;
}

bool aws_endpoint_resolve(struct aws_endpoint *endpoint, struct error *err) {
    const char *region = endpoint->region ? endpoint->region : environment_value("AWS_REGION");
    endpoint->region = region ? region : environment_value("AWS_DEFAULT_REGION");
    if (!endpoint->region) {
        return error_set(err, "region", "no AWS region is set: set AWS_REGION");
    }
    endpoint->fips = is_asked_for("AWS_USE_FIPS_ENDPOINT", endpoint->fips);
    endpoint->dual_stack = is_asked_for("AWS_USE_DUALSTACK_ENDPOINT", endpoint->dual_stack);
    return check_region(endpoint->region, err);
}

/// What the environment says for the service; NULL if nothing.
static const char *configured_url(const struct aws_endpoint *endpoint, const char *id) {
    if (is_asked_for("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", endpoint->ignores_environment)) {
        return NULL;
    }
    cleanup_buffer struct buffer name = BUFFER_INIT(256);
    buffer_appendf(&name, "AWS_ENDPOINT_URL_%s", id);
    const char *url = environment_value(buffer_text(&name));
    return url ? url : environment_value("AWS_ENDPOINT_URL");
}

bool aws_endpoint_is_configured(const struct aws_endpoint *endpoint, const char *id) {
    return endpoint->url || configured_url(endpoint, id);
}

static void append_standard(const struct aws_endpoint *endpoint, const char *service,
                            struct buffer *out) {
    const struct partition *partition = partition_of(endpoint->region);
    const bool is_s3 = strcmp(service, "s3") == 0;
    // These two have their FIPS endpoints under the plain name there.
    const bool plain_fips = !endpoint->dual_stack && strcmp(partition->prefix, "us-gov-") == 0 &&
                            (strcmp(service, "ssm") == 0 || strcmp(service, "sts") == 0);
    const bool fips = endpoint->fips && !plain_fips;
    // S3 has its dual-stack endpoints under a name of its own.
    buffer_appendf(out, "https://%s%s%s.%s.%s", service, fips ? "-fips" : "",
                   endpoint->dual_stack && is_s3 ? ".dualstack" : "", endpoint->region,
                   endpoint->dual_stack && !is_s3 ? partition->dual_stack_suffix
                                                  : partition->suffix);
}

bool aws_endpoint_url(const struct aws_endpoint *endpoint, const char *service, const char *id,
                      struct buffer *out, struct error *err) {
    if (!check_region(endpoint->region, err)) {
        return false;
    }
    const char *url = endpoint->url ? endpoint->url : configured_url(endpoint, id);
    if (url) {
        buffer_append_text(out, url);
    } else {
        append_standard(endpoint, service, out);
    }
    return buffer_check(out, "endpoint URL", err);
}

void aws_http_settings(const char *url, bool *allow_http, const char **ca_bundle) {
    static const struct slice plain = {.data = "http://", .len = 7};
    *ca_bundle = environment_value("AWS_CA_BUNDLE");
    *allow_http = url && slice_starts_with(slice_text(url), plain);
    for (char **entry = environ; entry && *entry; entry++) {
        const struct slice text = slice_text(*entry);
        if (slice_starts_with(text, SLICE("AWS_ENDPOINT_URL")) &&
            slice_starts_with(slice_skip(text, slice_find(text, '=') + 1), plain)) {
            *allow_http = true;
        }
    }
}
