// SPDX-License-Identifier: Apache-2.0
/// The command behind `--`, in our place: its signals and exit code are its own.
#pragma once

#include "common/aws/credentials.h"

/// Replaces this process by the command (`argv` ends with NULL). Its environment is ours without
/// what would name other credentials, and with these. Region, endpoints and the CA file stay; where
/// the environment names no region, `region` is set. Returns only where that fails: the message is
/// logged, the exit code is a shell's.
int command_exec(char *const *argv, const struct aws_credentials *credentials, const char *region);
