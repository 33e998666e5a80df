// SPDX-License-Identifier: Apache-2.0
/// The name of a session where none is given: a label for logs, never an identity.
#pragma once

/// "runlet-<project>-<job>" from GitLab's CI_PROJECT_PATH_SLUG and CI_JOB_ID, elsewhere
/// "runlet-<user>-<host>"; what STS does not take is replaced by "-", and it has 64 characters at
/// most. To be released with free().
char *session_name_default(void) __attribute__((returns_nonnull, warn_unused_result));
