// SPDX-License-Identifier: Apache-2.0
/// The handler `run`: the jobs of one invocation.
///
/// An event (any JSON object) means: there may be a job. For each job, up to RUNLET_MAX_JOBS: an
/// empty /tmp, a workspace, a broker, a gitlab-runner; then all its processes are killed, the job
/// is brought to an end in GitLab if the runner did not do so, and /tmp is emptied again.
///
/// The runner token is read when the first event that may bring a job arrives, not at init: a cold
/// start stays short, an event that is refused costs next to nothing, and a rotated token or a
/// moment's trouble with the secret store fails one invocation instead of the environment.
/// So Runtime.TokenUnavailable comes as the error of an invocation.
#pragma once

#include <stdbool.h>

#include "bootstrap/runtime/loop.h"

bool run_init(void **context, struct error *err);
void run_destroy(void *context);
bool run_handle(void *context, const struct invocation *invocation, struct buffer *response,
                enum handler_verdict *verdict, struct error *err);
