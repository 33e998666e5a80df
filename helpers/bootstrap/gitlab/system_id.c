// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/system_id.h"

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/digest.h"

/// arn:aws:lambda:REGION:ACCOUNT:function:NAME, without a qualifier behind it.
static struct slice without_qualifier(struct slice arn) {
    struct slice rest = arn;
    struct slice part = {0};
    for (int i = 0; i < 7; i++) {
        if (!slice_split(&rest, ':', &part)) {
            return arn;
        }
    }
    return slice_make(arn.data, (size_t)(part.data + part.len - arn.data));
}

void system_id_derive(struct slice function_arn, const char *function_name, const char *region,
                      char id[SYSTEM_ID_SIZE]) {
    struct slice arn = without_qualifier(function_arn);
    cleanup_free char *text =
        arn.len > 0 ? slice_copy(arn)
                    : xasprintf("%s:%s", region ? region : "", function_name ? function_name : "");
    char hex[DIGEST_HEX_SIZE];
    digest_text_hex(slice_text(text), hex);
    memcpy(id, "s_", 2);
    memcpy(id + 2, hex, SYSTEM_ID_SIZE - 3);
    id[SYSTEM_ID_SIZE - 1] = '\0';
}
