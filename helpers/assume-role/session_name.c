// SPDX-License-Identifier: Apache-2.0
#include "assume-role/session_name.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/system/environment.h"

enum { LONGEST_NAME = 64, LONGEST_END = 24 };

/// Appends at most `most` bytes with all that STS does not take replaced.
static void append_allowed(struct buffer *name, const char *text, size_t most) {
    for (size_t i = 0; i < most && text[i] != '\0'; i++) {
        const bool allowed = slice_is_word(slice_make(text + i, 1), "_+=,.@-");
        buffer_append_byte(name, allowed ? text[i] : '-');
    }
}

char *session_name_default(void) {
    struct utsname system = {0};
    (void)uname(&system);
    cleanup_buffer struct buffer user = BUFFER_INIT(64);
    buffer_appendf(&user, "uid%u", (unsigned)geteuid());
    const char *job = environment_value("CI_JOB_ID");
    const char *first = job ? environment_value("CI_PROJECT_PATH_SLUG") : environment_value("USER");
    if (!first) {
        first = job ? "job" : buffer_text(&user);
    }
    const char *second = job ? job : system.nodename;

    // The end tells one from another, so the middle is what is cut.
    cleanup_buffer struct buffer end = BUFFER_INIT(LONGEST_NAME);
    buffer_append_byte(&end, '-');
    append_allowed(&end, second, LONGEST_END);
    cleanup_buffer struct buffer name = BUFFER_INIT(LONGEST_NAME);
    buffer_append_text(&name, "runlet-");
    append_allowed(&name, first, LONGEST_NAME - name.len - end.len);
    buffer_append(&name, buffer_slice(&end));
    return xstrdup(buffer_text(&name));
}
