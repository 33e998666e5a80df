# SPDX-License-Identifier: Apache-2.0

# What a job may do in AWS: its role, and the accounts that it reaches over it.

data "aws_partition" "current" {
  count = local.create_job_role ? 1 : 0
}

data "aws_caller_identity" "current" {
  count = local.create_job_role ? 1 : 0
}

data "aws_region" "current" {
  count = local.create_job_role ? 1 : 0
}

locals {
  create_job_role = var.create && var.create_job_role
  job_credentials = coalesce(var.job_credentials.mode, var.create_job_role || var.job_credentials.role_arn != null ? "role" : "none")

  # By name and not from the resource: the job role trusts the execution role, so it is made after it,
  # and the execution role's policy and the function's environment name it before.
  job_role_name     = coalesce(var.job_role.name, "${local.name}-job")
  made_job_role_arn = local.create_job_role ? "arn:${data.aws_partition.current[0].partition}:iam::${data.aws_caller_identity.current[0].account_id}:role${var.role_path}${local.job_role_name}" : null
  # The contradictions are refused with the output function_arn.
  job_role_arn = local.job_credentials == "role" ? (local.create_job_role ? local.made_job_role_arn : var.job_credentials.role_arn) : null

  # Decided by the parameter's name alone, since a secret's ARN may be known only later.
  token_parameter = coalesce(var.token.parameter_name, "none")
  token_arn = !local.create_job_role ? null : var.token.parameter_name == null ? var.token.secret_arn : startswith(local.token_parameter, "arn:") ? local.token_parameter : (
    "arn:${data.aws_partition.current[0].partition}:ssm:${data.aws_region.current[0].id}:${data.aws_caller_identity.current[0].account_id}:parameter/${trimprefix(local.token_parameter, "/")}"
  )

  accounts_parameter_name = length(var.accounts) > 0 ? "/runlet/${local.name}/accounts" : null
  # What is not given is not written, so that the 8 KB of a parameter last.
  accounts_json = jsonencode({
    for name, account in var.accounts : name => { for key, value in account : key => value if value != null }
  })
  # Four characters of base64 stand for three bytes, less the padding.
  accounts_base64 = base64encode(local.accounts_json)
  accounts_size   = length(local.accounts_base64) * 3 / 4 - length(regexall("=", local.accounts_base64))
  # With an id_token of its own a job needs no other role to start from.
  chained_accounts = { for name, account in var.accounts : name => account if account.id_token == null }
}

module "job_role" {
  source = "./modules/job-role"

  create                   = local.create_job_role
  name                     = local.job_role_name
  path                     = var.role_path
  execution_role_arn       = local.role_arn
  target_role_arns         = [for account in values(local.chained_accounts) : account.role_arn]
  token_arns               = local.create_job_role ? [local.token_arn] : []
  session_identity         = var.job_session_identity
  permissions_boundary_arn = var.job_role.permissions_boundary_arn != null ? var.job_role.permissions_boundary_arn : var.permissions_boundary_arn
  policy_arns              = var.job_role.policy_arns
  inline_policies          = var.job_role.inline_policies
  tags                     = var.tags
}

resource "aws_ssm_parameter" "accounts" {
  #checkov:skip=CKV2_AWS_34:It holds ARNs and external ids, which every job reads anyway, and no secret.
  #checkov:skip=CKV_AWS_337:It holds ARNs and external ids, which every job reads anyway, and no secret.
  count = var.create && length(var.accounts) > 0 ? 1 : 0

  name           = local.accounts_parameter_name
  description    = "Accounts that the jobs of ${local.name} deploy to"
  type           = "String"
  tier           = local.accounts_size > 4096 ? "Advanced" : "Standard"
  insecure_value = local.accounts_json
  tags           = var.tags

  lifecycle {
    precondition {
      condition     = local.accounts_size <= 8192
      error_message = "accounts takes more than the 8,192 bytes of an SSM parameter as JSON: give shorter names and external ids, or spread the accounts over several runners."
    }
  }
}
