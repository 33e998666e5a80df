// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/accounts_source.h"

#include <stdlib.h>

#include "bootstrap/runtime/error_types.h"
#include "common/alloc.h"
#include "common/aws/secrets.h"
#include "common/cleanup.h"
#include "common/log.h"

static const int64_t READ_MS = 4000;
static const int64_t FRESH_MS = 60000;

struct accounts_source {
    struct accounts_source_options options;
    struct accounts accounts;
    bool read;
    int64_t read_ms;
};

struct accounts_source *accounts_source_new(const struct accounts_source_options *options) {
    if (!options->parameter) {
        return NULL;
    }
    struct accounts_source *source = xcalloc(1, sizeof(*source));
    source->options = *options;
    if (!source->options.clock) {
        source->options.clock = clock_system();
    }
    return source;
}

void accounts_source_destroy(struct accounts_source *source) {
    if (source) {
        accounts_clean_up(&source->accounts);
        free(source);
    }
}

void accounts_source_destroyp(struct accounts_source **source) {
    accounts_source_destroy(*source);
}

static struct secret *read_parameter(const struct accounts_source *source, struct error *err) {
    const struct accounts_source_options *options = &source->options;
    cleanup_function_aws_call struct function_aws_call call = {0};
    if (!function_aws_begin(options->aws, 0, &call, err)) {
        return NULL;
    }
    return aws_ssm_get_parameter(call.client, call.credentials, options->parameter,
                                 clock_now_ms(options->clock) + READ_MS, err);
}

/// An account that no job can use: it is left out, and somebody should know.
static void warn_of_unusable(const struct accounts_source *source) {
    for (size_t i = 0; i < source->accounts.count; i++) {
        const struct account *account = &source->accounts.list[i];
        if (!account->id_token && !source->options.jobs_have_credentials) {
            log_warn("an account has no id_token, and jobs have no credentials of their own "
                     "(RUNLET_JOB_CREDENTIALS is none): it gets no profile",
                     log_text("account", account->name));
        }
    }
}

static bool take(struct accounts_source *source, const struct secret *text, struct error *err) {
    struct accounts fresh = {0};
    if (!accounts_parse(secret_expose(text), &fresh, err)) {
        accounts_clean_up(&fresh);
        return error_set(err, ERROR_CONFIG_INVALID, "the parameter %s: %s",
                         source->options.parameter, err->message);
    }
    accounts_clean_up(&source->accounts);
    source->accounts = fresh;
    if (!source->read) {
        warn_of_unusable(source);
    }
    source->read = true;
    source->read_ms = clock_now_ms(source->options.clock);
    return true;
}

const struct accounts *accounts_source_get(struct accounts_source *source, struct error *err) {
    const int64_t age_ms = clock_now_ms(source->options.clock) - source->read_ms;
    if (source->read && age_ms >= 0 && age_ms < FRESH_MS) {
        return &source->accounts;
    }
    cleanup_secret struct secret *text = read_parameter(source, err);
    if (text) {
        return take(source, text, err) ? &source->accounts : NULL;
    }
    const struct error reason = *err;
    error_set(err, ERROR_ACCOUNTS_UNAVAILABLE,
              "cannot read the accounts from the parameter %s: %s: %s", source->options.parameter,
              reason.code, reason.message);
    if (!source->read) {
        return NULL;
    }
    log_warn("the accounts are those of an earlier job", LOG_ERROR_FIELDS(err));
    return &source->accounts;
}
