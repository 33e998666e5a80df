// SPDX-License-Identifier: Apache-2.0
#include "assume-role/base.h"

#include <stdlib.h>

#include "common/alloc.h"

void base_clean_up(struct base *base) {
    aws_credentials_clean_up(&base->credentials);
    free(base->region);
    free(base->endpoint_url);
    free(base->ca_bundle);
    free(base->source);
    *base = (struct base){0};
}

bool base_settings(const struct base_options *options, struct base *base, struct error *err) {
    (void)options;
    (void)err;
    *base = (struct base){0};
    return true;
}

bool base_find(const struct base_options *options, struct base *base, struct error *err) {
    if (!base_settings(options, base, err) ||
        !aws_credentials_from_environment(&base->credentials, err)) {
        return false;
    }
    base->source = xstrdup("environment");
    base->is_session = base->credentials.session_token != NULL;
    return true;
}
