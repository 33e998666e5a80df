// SPDX-License-Identifier: Apache-2.0
/// The error types that Lambda shows (errorType): every one there is, and when it comes.
///
/// Lambda keeps types of these two forms only. "Runtime." is what stands in the way of any event of
/// this environment, "Function." what went wrong with this one. README.md says what to do about
/// each; a test holds the two lists and the code against each other.
#pragma once

/// A setting, or what it points to, is missing or bad: the message names it.
static const char ERROR_CONFIG_INVALID[] = "Runtime.ConfigInvalid";
/// The process could not be set up at init.
static const char ERROR_INIT_FAILED[] = "Runtime.InitFailed";
/// The runner token could not be read, or is none.
static const char ERROR_TOKEN_UNAVAILABLE[] = "Runtime.TokenUnavailable";
/// The map of accounts could not be read.
static const char ERROR_ACCOUNTS_UNAVAILABLE[] = "Runtime.AccountsUnavailable";
/// Something of a job is left, or /tmp was not empty: the environment ends.
static const char ERROR_WORKSPACE_DIRTY[] = "Runtime.WorkspaceDirty";
/// At init: processes of an earlier life of the environment do not end.
static const char ERROR_ENVIRONMENT_OCCUPIED[] = "Runtime.EnvironmentOccupied";
/// Any other failure of ours, such as no memory for a thread.
static const char ERROR_INTERNAL[] = "Runtime.Internal";

/// The event is not a JSON object.
static const char ERROR_EVENT_INVALID[] = "Function.EventInvalid";
/// GitLab could not be reached, or left a job without a final state.
static const char ERROR_GITLAB_UNREACHABLE[] = "Function.GitLabUnreachable";
/// GitLab does not take the runner token.
static const char ERROR_RUNNER_UNAUTHORIZED[] = "Function.RunnerUnauthorized";
/// There is no gitlab-runner in PATH.
static const char ERROR_RUNNER_MISSING[] = "Function.RunnerMissing";
/// gitlab-runner did not start, or ended abnormally without a job.
static const char ERROR_RUNNER_CRASHED[] = "Function.RunnerCrashed";
/// The provider mirror could not be fetched or read, which may pass.
static const char ERROR_MIRROR_UNAVAILABLE[] = "Function.MirrorUnavailable";

/// How the types that Lambda keeps begin.
static const char ERROR_TYPE_OF_RUNTIME[] = "Runtime.";
static const char ERROR_TYPE_OF_FUNCTION[] = "Function.";
