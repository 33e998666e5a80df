// SPDX-License-Identifier: Apache-2.0
/// Values that are kept with AWS: Secrets Manager and the SSM Parameter Store.
#pragma once

#include <stdint.h>

#include "common/aws/calls.h"
#include "common/error.h"
#include "common/secret.h"

/// Reads a secret's current value (SecretString, or SecretBinary decoded), at most 64 KiB. `id` is
/// an ARN, whose region wins over the client's, or a name. NULL on failure, as of aws_call().
struct secret *aws_secrets_get_value(struct aws_client *client,
                                     const struct aws_credentials *credentials, const char *id,
                                     int64_t deadline_ms, struct error *err);
/// Reads a parameter's value, decrypted. `name` may be an ARN, whose region wins. NULL on failure.
struct secret *aws_ssm_get_parameter(struct aws_client *client,
                                     const struct aws_credentials *credentials, const char *name,
                                     int64_t deadline_ms, struct error *err);
