# SPDX-License-Identifier: Apache-2.0

locals {
  # What `make dist` wrote. Read here once; nothing is built.
  manifest_file = "${var.artifacts}/artifacts.json"
  manifest      = jsondecode(var.create && fileexists(local.manifest_file) ? file(local.manifest_file) : "{}")
  built         = try(local.manifest[var.architecture], {})

  wanted    = concat(["bootstrap"], var.layers)
  missing   = [for name in local.wanted : name if !contains(keys(local.built), name)]
  artifacts = { for name in local.wanted : name => local.built[name] if contains(keys(local.built), name) }

  # An artifact's place in S3 holds its hash, as `make publish` puts it there, so that no version is
  # ever overwritten.
  packages = {
    for name, artifact in local.artifacts : name => {
      path             = var.artifacts_s3 == null ? "${var.artifacts}/${artifact.path}" : null
      s3_bucket        = var.artifacts_s3 == null ? null : var.artifacts_s3.bucket
      s3_key           = var.artifacts_s3 == null ? null : "${var.artifacts_s3.prefix}${artifact.sha256}/${basename(artifact.path)}"
      source_code_hash = artifact.source_code_hash
    }
  }

  unzipped_size = sum(concat([0], [for artifact in values(local.artifacts) : try(artifact.unzipped_size, 0)]))
  too_large = [
    for name, artifact in local.artifacts : name
    if var.artifacts_s3 == null && try(artifact.size, 0) > 50 * 1024 * 1024
  ]

  # Lambda completes no names, so the prefix gets the first part of a stable random id.
  name = var.name_prefix == null ? var.name : "${var.name_prefix}${one(terraform_data.suffix[*].id) == null ? "" : substr(one(terraform_data.suffix[*].id), 0, 8)}"
  # By create_role alone where it is given, since an ARN may be known only later.
  create_role = var.create && coalesce(var.create_role, var.role_arn == null)
  role_arn    = local.create_role ? module.execution_role.arn : coalesce(var.role_arn, "arn:aws:iam::000000000000:role/none")
  layer_arns  = concat([for name in var.layers : module.layer[name].arn if contains(keys(local.packages), name)], var.extra_layer_arns)
}

resource "terraform_data" "suffix" {
  count = var.create && var.name_prefix != null ? 1 : 0
}

module "layer" {
  source   = "./modules/layer"
  for_each = { for name in var.layers : name => local.packages[name] if contains(keys(local.packages), name) }

  create                   = var.create
  name                     = "${local.name}-${each.key}"
  description              = "${each.key} ${try(local.artifacts[each.key].version, "")} for Runlet"
  package                  = each.value
  compatible_architectures = [var.architecture]
}

module "execution_role" {
  source = "./modules/execution-role"

  create                       = local.create_role
  function_name                = local.name
  path                         = var.role_path
  permissions_boundary_arn     = var.permissions_boundary_arn
  log_group_arn                = coalesce(module.function.log_group_arn, "arn:aws:logs:none:000000000000:log-group:none")
  token                        = var.token
  kms_key_arn                  = var.kms_key_arn
  job_role_arn                 = local.job_role_arn
  accounts_parameter_name      = local.accounts_parameter_name
  provider_mirror              = try(var.provider_mirror.s3, null)
  dead_letter_target_arn       = var.dead_letter_target_arn
  dead_letter_kms_key_arn      = var.dead_letter_kms_key_arn
  file_system_access_point_arn = try(var.file_system.access_point_arn, null)
  vpc_access                   = var.vpc != null
  tracing                      = var.tracing_mode == "Active"
  policy_arns                  = var.role_policy_arns
  tags                         = var.tags
}

module "function" {
  source = "./modules/function"

  create      = var.create
  name        = local.name
  description = var.description
  role_arn    = local.role_arn
  # One that is missing is refused with the output function_arn, which says what to run.
  package      = try(local.packages["bootstrap"], { path = local.manifest_file, source_code_hash = base64sha256("") })
  handler      = "run"
  architecture = var.architecture
  # More than five are refused with the output function_arn, which names the two inputs.
  layer_arns = slice(local.layer_arns, 0, min(5, length(local.layer_arns)))

  environment_variables = merge(var.environment_variables, local.settings)

  memory_size                    = var.memory_size
  timeout                        = var.timeout
  ephemeral_storage_size         = var.ephemeral_storage_size
  reserved_concurrent_executions = var.reserved_concurrent_executions
  maximum_retry_attempts         = var.maximum_retry_attempts
  maximum_event_age_in_seconds   = var.maximum_event_age_in_seconds
  dead_letter_target_arn         = var.dead_letter_target_arn
  vpc                            = var.vpc
  file_system                    = var.file_system
  kms_key_arn                    = var.kms_key_arn
  code_signing_config_arn        = var.code_signing_config_arn
  tracing_mode                   = var.tracing_mode
  log_retention_in_days          = var.log_retention_in_days
  log_kms_key_arn                = var.log_kms_key_arn
  application_log_level          = var.application_log_level
  system_log_level               = var.system_log_level
  tags                           = var.tags
}
