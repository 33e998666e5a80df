// SPDX-License-Identifier: Apache-2.0
// Tokens that a project may put into its variables, and what GitLab publishes as keys.
#include <stddef.h>
#include <stdint.h>

#include "bootstrap/gitlab/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice text = slice_make(data, size);
    struct error err;
    cleanup_jwt_keys struct jwt_keys *keys = jwt_keys_parse(text, &err);
    cleanup_jwt struct jwt jwt = {0};
    const bool parsed = jwt_parse(text, &jwt, &err);
    if (parsed && !jwt_has_shape(text) && slice_starts_with(text, SLICE("eyJ"))) {
        __builtin_trap();
    }
    if (parsed && keys) {
        (void)jwt_verify(&jwt, keys, &err);
    }
    return 0;
}
