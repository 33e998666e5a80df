# SPDX-License-Identifier: Apache-2.0

# The bootstrap's settings. What is not given is not set, so that its own defaults hold and the 4 KB
# of environment last.
locals {
  settings = tomap(merge(
    { CI_SERVER_URL = var.gitlab.url },
    # Decided by the parameter's name and the mode alone: a secret or role made beside this module has
    # an ARN only later, and would make the whole environment unknown in the plan.
    var.token.parameter_name == null ? { RUNLET_TOKEN_SECRET_ARN = var.token.secret_arn } : { RUNLET_TOKEN_PARAMETER = var.token.parameter_name },
    local.job_credentials == "role" ? { RUNLET_JOB_ROLE_ARN = local.job_role_arn } : {},
    {
      for name, value in {
        CI_SERVER_TLS_CA_FILE    = var.gitlab.tls_ca_file
        RUNLET_EXTRA_HOSTS       = length(var.gitlab.extra_hosts) > 0 ? jsonencode(var.gitlab.extra_hosts) : null
        RUNNER_NAME              = var.runner.name
        RUNLET_WAIT_TIMEOUT      = var.runner.wait_timeout == null ? null : tostring(var.runner.wait_timeout)
        RUNLET_MAX_JOBS          = var.runner.max_jobs == null ? null : tostring(var.runner.max_jobs)
        RUNLET_DEADLINE_MARGIN   = var.runner.deadline_margin == null ? null : tostring(var.runner.deadline_margin)
        RUNLET_MIN_JOB_TIME      = var.runner.min_job_time == null ? null : tostring(var.runner.min_job_time)
        RUNLET_RUNNER_ARGS       = length(var.runner.args) > 0 ? jsonencode(var.runner.args) : null
        RUNLET_FRESH_ENVIRONMENT = var.runner.fresh_environment ? "true" : null

        RUNLET_JOB_CREDENTIALS        = local.job_credentials == "none" ? null : local.job_credentials
        RUNLET_JOB_SESSION_IDENTITY   = var.job_session_identity ? null : "false"
        RUNLET_ACCOUNTS_PARAMETER     = local.accounts_parameter_name
        RUNLET_ID_TOKEN_AUDIENCE      = var.id_token_audience
        RUNLET_PROVIDER_MIRROR        = var.provider_mirror == null ? null : (var.provider_mirror.s3 == null ? var.provider_mirror.path : "s3://${var.provider_mirror.s3.bucket}/${var.provider_mirror.s3.key}")
        RUNLET_PROVIDER_MIRROR_SHA256 = try(var.provider_mirror.s3.sha256, null)
      } : name => value if value != null
    },
  ))
}
