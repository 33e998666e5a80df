// SPDX-License-Identifier: Apache-2.0
/// Where RUNLET_PROVIDER_MIRROR says that providers are.
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/slice.h"

/// Zeroed: there is no mirror. Owns its texts.
struct mirror_source {
    /// An absolute path, such as where an EFS access point is mounted; else NULL.
    char *folder;
    /// A zip in S3; else NULL.
    char *bucket;
    char *key;
    /// Of the zip, in lower-case hexadecimal.
    char *sha256;
};
void mirror_source_clean_up(struct mirror_source *source);

/// Reads an absolute path or s3://BUCKET/KEY. Fails with the flaw alone, as forms.h has it.
bool mirror_source_read(struct slice text, struct mirror_source *source, struct error *err);
/// Reads 64 hexadecimal digits.
bool mirror_source_read_sha256(struct slice text, struct mirror_source *source, struct error *err);
