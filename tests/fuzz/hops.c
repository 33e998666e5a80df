// SPDX-License-Identifier: Apache-2.0
/// The values of a hop's options: lists in shorthand and JSON, policies, durations. Each line is
/// one value; its first letter says of which option.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "assume-role/hops.h"
#include "common/cleanup.h"

typedef bool (*set_function)(struct hops *hops, const char *value, struct error *err);

static set_function function_of(char letter) {
    switch (letter) {
    case 't':
        return hops_add_tags;
    case 'k':
        return hops_add_transitive_keys;
    case 'a':
        return hops_add_policy_arns;
    case 'p':
        return hops_set_policy;
    default:
        return hops_set_duration;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cleanup_hops struct hops hops = {0};
    struct error err;
    struct slice rest = slice_make(data, size);
    struct slice line;
    hops_add(&hops, "arn:aws:iam::123456789012:role/fuzz");
    while (slice_split(&rest, '\n', &line)) {
        cleanup_free char *value = slice_copy(slice_skip(line, line.len > 0 ? 1 : 0));
        // The machine's files are no input.
        if (line.len > 0 && strncmp(value, "file://", 7) != 0) {
            (void)function_of(line.data[0])(&hops, value, &err);
        }
    }
    // What is taken for good is so by the rules of STS, too.
    const struct sts_assume *assume = &hops.items[0].assume;
    if (hops_finish(&hops, &err) &&
        (!sts_check(assume, &err) || assume->tag_count > STS_MOST_TAGS ||
         (assume->transitive_key_count > 0 && assume->tag_count == 0))) {
        abort();
    }
    return 0;
}
