// SPDX-License-Identifier: Apache-2.0
/// The provider mirror: what terraform and tofu need and no layer has room for.
///
/// A mirror in S3 is fetched before the first job with the function's own role, checked by its
/// SHA-256 before anything of it is unpacked, and unpacked to ROOT/runlet/providers. There it may
/// stay from job to job, as the one thing that is not removed; but a job can write there, so all of
/// it is checked again before each job, against what was unpacked, and fetched anew where one bit
/// is another. A mirror in a folder (an EFS mount, read-only) is taken as it is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/function_aws.h"
#include "bootstrap/settings/mirror_source.h"
#include "common/error.h"

/// All borrowed for the mirror's life.
struct mirror_options {
    /// "/tmp" in the program; tests bring one of their own.
    const char *root;
    /// Where the mirror is.
    const struct mirror_source *source;
    /// For a mirror in S3; its region is the bucket's too.
    struct function_aws *aws;
    /// The dimension FunctionName of its metrics; NULL: "unknown".
    const char *function_name;
};

struct mirror;

/// NULL where the source names none.
struct mirror *mirror_new(const struct mirror_options *options);
/// Releases the memory; the files stay. NULL is fine.
void mirror_destroy(struct mirror *mirror);

/// Makes the mirror ready for a job, within `deadline_ms` (Unix epoch). To be called when no
/// process is left that could write to `root`, which must be empty but for the mirror itself; where
/// it has to be fetched all of `root` is emptied.
///
/// Logs what it took. Fails with "Runtime.ConfigInvalid" for what a person must set right (a wrong
/// hash, no such object, no permission, too little room), with "Function.MirrorUnavailable" for
/// what may pass, with "Runtime.WorkspaceDirty" where `root` cannot be emptied.
bool mirror_prepare(struct mirror *mirror, int64_t deadline_ms, struct error *err);
/// Where it is, for mirror_config_make(); NULL where `mirror` is NULL.
const char *mirror_folder(const struct mirror *mirror);
/// After a job, when no process is left: forgets a mirror whose files and folders are no longer as
/// they were (their content is not looked at), so that clean-up takes whatever the job put there,
/// and not the next job's time. NULL is fine.
void mirror_look_after(struct mirror *mirror);
/// Tells whether clean-up may leave ROOT/runlet/providers, as it was prepared and is checked again.
/// False where `mirror` is NULL.
bool mirror_is_kept(const struct mirror *mirror);
