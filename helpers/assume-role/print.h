// SPDX-License-Identifier: Apache-2.0
/// The session on stdout, in the form that its reader wants.
#pragma once

#include <stdbool.h>

#include "common/aws/sts.h"
#include "common/buffer.h"
#include "common/error.h"

enum print_format {
    /// What the SDKs read from a credential_process.
    PRINT_PROCESS,
    /// Lines for `eval` in a POSIX shell.
    PRINT_ENV,
    /// As `aws sts assume-role` answers.
    PRINT_JSON,
    /// What terragrunt reads from its --auth-provider-cmd.
    PRINT_TERRAGRUNT,
};

/// Reads a format's name. The message of the error lists them.
bool print_parse_format(const char *name, enum print_format *format, struct error *err);
/// Appends the session; `out` is to be a sensitive buffer.
bool print_session(const struct sts_session *session, enum print_format format, struct buffer *out,
                   struct error *err);
