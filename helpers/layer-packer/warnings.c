// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/warnings.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/alloc.h"

void warnings_clean_up(struct warnings *warnings) {
    for (size_t i = 0; i < WARNINGS_KEPT; i++) {
        free(warnings->texts[i]);
    }
    *warnings = (struct warnings){0};
}

void warnings_add(struct warnings *warnings, const char *format, ...) {
    if (!warnings) {
        return;
    }
    if (warnings->count < WARNINGS_KEPT) {
        va_list arguments;
        va_start(arguments, format);
        warnings->texts[warnings->count] = xvasprintf(format, arguments);
        va_end(arguments);
    }
    warnings->count++;
}
