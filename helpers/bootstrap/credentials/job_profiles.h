// SPDX-License-Identifier: Apache-2.0
/// The AWS profiles of a job: AWS_CONFIG_FILE with one for each account, and the id_tokens that
/// some of them go by, in files for this job alone.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/accounts.h"
#include "bootstrap/gitlab/job.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/system/environment.h"

/// All borrowed.
struct job_profiles {
    const struct accounts *accounts;
    /// "EcsContainer" or "Environment": where the job's own credentials are; NULL: it has none.
    const char *credential_source;
    /// The function's; NULL: none.
    const char *region;
    /// A path that is not there yet, without blanks: the folder that is made.
    const char *folder;
    struct clock *clock;
    /// Lambda's: a session is for the time that is left.
    int64_t deadline_ms;
};

/// Makes the folder (0700) and its files (0600): before the job can look for them. The folder must
/// not be there.
bool job_profiles_write(const struct job_profiles *profiles, const struct job *job,
                        struct error *err);

/// Sets AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, and AWS_ENDPOINT_URL_STS where there is
/// AWS_ENDPOINT_URL alone, which not every SDK asks for the roles of profiles. Where an account has
/// a region of its own, AWS_REGION and AWS_DEFAULT_REGION go: they would win over that of a
/// profile, and the default profile has the function's.
void job_profiles_set_environment(const struct job_profiles *profiles,
                                  struct environment *environment);
