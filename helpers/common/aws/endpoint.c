// SPDX-License-Identifier: Apache-2.0
/// Where a service is to be found.
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
#include <strings.h>
#include <unistd.h>

#include "common/aws/client.h"
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

/// What the variable says, or else the client's options.
static bool is_asked_for(const char *name, bool by_options) {
    return environment_value(name) ? environment_is_true(name) : by_options;
}

/// What the environment says for the service; NULL if nothing.
static const char *configured_url(const char *endpoint_id) {
    if (environment_is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
        return NULL;
    }
    cleanup_buffer struct buffer name = BUFFER_INIT(256);
    buffer_appendf(&name, "AWS_ENDPOINT_URL_%s", endpoint_id);
    const char *url = environment_value(buffer_text(&name));
    return url ? url : environment_value("AWS_ENDPOINT_URL");
}

bool aws_endpoint_is_configured(const struct aws_client *client, const char *endpoint_id) {
    return aws_client_endpoint_url(client) || configured_url(endpoint_id);
}

/// S3 has its dual-stack endpoints under a name of its own.
static void append_dual_stack_s3(struct buffer *out, const char *region, const char *suffix) {
    buffer_appendf(out, "https://s3%s.dualstack.%s.%s",
                   environment_is_true("AWS_USE_FIPS_ENDPOINT") ? "-fips" : "", region, suffix);
}

bool aws_is_region(const char *region) {
    // It becomes a part of a host's name.
    const size_t length = strlen(region);
    return length > 0 && length < 64 &&
           strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == length && region[0] != '-' &&
           region[length - 1] != '-';
}

bool aws_endpoint_url(const struct aws_client *client, const struct aws_request *request,
                      struct buffer *out, struct error *err) {
    const char *region = request->region ? request->region : aws_client_region(client);
    if (!aws_is_region(region)) {
        return error_set(err, "region", "\"%s\" is not a region's name, such as eu-central-1",
                         region);
    }
    const char *url = aws_client_endpoint_url(client);
    url = url ? url : configured_url(request->endpoint_id);
    if (url) {
        buffer_append_text(out, url);
        return buffer_check(out, "endpoint URL", err);
    }
    const struct partition *partition = partition_of(region);
    const bool dual_stack =
        is_asked_for("AWS_USE_DUALSTACK_ENDPOINT", aws_client_use_dual_stack(client));
    if (dual_stack && strcmp(request->service, "s3") == 0) {
        append_dual_stack_s3(out, region, partition->suffix);
        return buffer_check(out, "endpoint URL", err);
    }
    // These two have their FIPS endpoints under the plain name there.
    const bool plain_fips =
        !dual_stack && strcmp(partition->prefix, "us-gov-") == 0 &&
        (strcmp(request->service, "ssm") == 0 || strcmp(request->service, "sts") == 0);
    const bool fips =
        is_asked_for("AWS_USE_FIPS_ENDPOINT", aws_client_use_fips(client)) && !plain_fips;
    buffer_appendf(out, "https://%s%s.%s.%s", request->service, fips ? "-fips" : "", region,
                   dual_stack ? partition->dual_stack_suffix : partition->suffix);
    return buffer_check(out, "endpoint URL", err);
}

void aws_http_settings(const char *endpoint_url, bool *allow_http, const char **ca_bundle) {
    static const struct slice plain = {.data = "http://", .len = 7};
    *ca_bundle = environment_value("AWS_CA_BUNDLE");
    *allow_http = endpoint_url && slice_starts_with(slice_text(endpoint_url), plain);
    for (char **entry = environ; entry && *entry; entry++) {
        const struct slice text = slice_text(*entry);
        if (slice_starts_with(text, SLICE("AWS_ENDPOINT_URL")) &&
            slice_starts_with(slice_skip(text, slice_find(text, '=') + 1), plain)) {
            *allow_http = true;
        }
    }
}
