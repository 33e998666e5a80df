// SPDX-License-Identifier: Apache-2.0
/// Where the accounts come from: an SSM parameter, and the copy that is kept of it.
///
/// Read before a job is asked for, so that a mistake in it costs no job; again where the copy is
/// older than a minute, so that a new account needs no new environment. Belongs to one thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/credentials/accounts.h"
#include "bootstrap/credentials/function_aws.h"
#include "common/clock.h"
#include "common/error.h"

struct accounts_source;
#define cleanup_accounts_source __attribute__((cleanup(accounts_source_destroyp)))

/// All borrowed for the source's life.
struct accounts_source_options {
    struct function_aws *aws;
    /// RUNLET_ACCOUNTS_PARAMETER.
    const char *parameter;
    /// Jobs have credentials of their own, over which an account without an id_token goes.
    bool jobs_have_credentials;
    /// NULL: the system's.
    struct clock *clock;
};

/// NULL without a parameter. Nothing is read yet.
struct accounts_source *accounts_source_new(const struct accounts_source_options *options);
/// NULL is fine.
void accounts_source_destroy(struct accounts_source *source);
void accounts_source_destroyp(struct accounts_source **source);

/// The accounts, borrowed until the next call. Where the parameter cannot be read, the copy is good
/// enough, and the log gets a warning. NULL, with "Runtime.AccountsUnavailable" where there is no
/// copy, or with "Runtime.ConfigInvalid" where what the parameter holds is not good.
const struct accounts *accounts_source_get(struct accounts_source *source, struct error *err);
