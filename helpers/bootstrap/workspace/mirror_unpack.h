// SPDX-License-Identifier: Apache-2.0
/// Unpacks the zip of a provider mirror, in memory that does not grow with its files, and refuses
/// one that wants more than files and folders below the folder it is given.
///
/// Refused, each with the entry's name: what the reader of zips refuses (names with a NUL, entries
/// that share their bytes, encryption, other compressions than deflate, wrong sizes and checksums);
/// what entry_name_flaw() refuses, and names with a backslash or a control character; links,
/// devices and whatever else is no file or folder; a name twice; more than MIRROR_MAX_ENTRIES
/// entries; a file that is over 200 times as large as it is packed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/workspace/mirror_manifest.h"
#include "common/error.h"

/// Lambda's largest /tmp: the most of a zip, and of what is in it.
static const int64_t MIRROR_MOST_BYTES = INT64_C(10) << 30;

/// Unpacks the zip behind `zip` into the empty folder behind `folder`, and adds to `manifest` all
/// that it makes: folders with the mode 0755, files with 0755 where their owner may execute them,
/// else 0644. `*size` gets the sum of the files' sizes.
///
/// Codes: "zip" (bad or refused), "no_space" (the message tells how much is needed and what sets
/// it), "timeout", "too_many". On failure some of it may be there.
bool mirror_unpack(int zip, int folder, int64_t deadline_ms, struct mirror_manifest *manifest,
                   int64_t *size, struct error *err);
