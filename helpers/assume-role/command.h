// SPDX-License-Identifier: Apache-2.0
/// The command behind `--`, in our place: its signals and exit code are its own.
#pragma once

#include "common/aws/credentials.h"
#include "common/system/environment.h"

enum { EXIT_NOT_EXECUTABLE = 126 };
enum { EXIT_NOT_FOUND = 127 };

/// Makes the command's environment: ours without what would name other credentials, and with these.
/// Region, endpoints and the CA file stay; where the environment names no region, `region` is set.
void command_environment(const struct aws_credentials *credentials, const char *region,
                         struct environment *environment);
/// Replaces this process by the command (`argv` ends with NULL). Returns only where that fails: the
/// message is logged, the exit code is a shell's.
int command_exec(char *const *argv, const struct aws_credentials *credentials, const char *region);
