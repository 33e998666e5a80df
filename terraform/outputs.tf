# SPDX-License-Identifier: Apache-2.0

output "function_arn" {
  description = "ARN of the runner function, without a version."
  value       = module.function.arn

  precondition {
    condition     = !var.create || fileexists(local.manifest_file)
    error_message = "There is no ${local.manifest_file}: run `make dist`, and give the folder it writes as artifacts."
  }

  precondition {
    condition     = !var.create || !fileexists(local.manifest_file) || length(local.missing) == 0
    error_message = "${local.manifest_file} has no ${join(", ", local.missing)} for ${var.architecture}: run `make dist ARCH=${var.architecture}`, or take them out of layers."
  }

  precondition {
    condition     = length(local.too_large) == 0
    error_message = "Lambda takes zips over 50 MB from S3 only, as of ${join(", ", local.too_large)}: run `make publish BUCKET=...` and write artifacts_s3 = { bucket = \"...\" }."
  }

  precondition {
    condition     = local.unzipped_size <= 262144000
    error_message = "The function and its layers have ${local.unzipped_size} bytes unzipped; Lambda takes 262,144,000. Leave a layer out."
  }

  precondition {
    condition     = length(var.layers) + length(var.extra_layer_arns) <= 5
    error_message = "A function takes at most five layers, and layers and extra_layer_arns name ${length(var.layers) + length(var.extra_layer_arns)}: merge some into one zip (layer-packer pack --output merged.zip FOLDER FOLDER ...) and name that one layer instead."
  }

  precondition {
    condition     = var.timeout > coalesce(var.runner.deadline_margin, 15) + (var.runner.min_job_time == null ? 10 : var.runner.min_job_time)
    error_message = "timeout (${var.timeout} s) leaves no time for a job: it must be more than runner.deadline_margin (default 15) and runner.min_job_time (default 10) together."
  }

  precondition {
    condition     = !var.create || local.create_role == (var.role_arn == null)
    error_message = "create_role and role_arn do not go together: write create_role = false and role_arn = \"arn:aws:iam::...:role/...\" for an execution role of your own, or leave both out."
  }

  precondition {
    condition     = local.job_credentials != "role" || var.create_job_role || var.job_credentials.role_arn != null
    error_message = "job_credentials.mode \"role\" needs a job role: write create_job_role = true, or job_credentials = { role_arn = \"arn:aws:iam::...:role/...\" } for one of your own."
  }

  precondition {
    condition     = !var.create_job_role || var.job_credentials.role_arn == null
    error_message = "create_job_role and job_credentials.role_arn name two job roles, and a job gets one: leave one of them out."
  }

  precondition {
    condition     = local.job_credentials == "role" || (!var.create_job_role && var.job_credentials.role_arn == null)
    error_message = "With job_credentials.mode \"${local.job_credentials}\" no job would get the job role of create_job_role or job_credentials.role_arn: write mode = \"role\", or leave the role out."
  }

  precondition {
    condition     = var.create_job_role || (var.job_role.name == null && var.job_role.permissions_boundary_arn == null && length(var.job_role.policy_arns) + length(var.job_role.inline_policies) == 0)
    error_message = "job_role says more of the role that create_job_role makes, and none is made: write create_job_role = true, or leave job_role out."
  }

  precondition {
    condition     = var.role_arn == null || var.job_credentials.role_arn == null || var.role_arn != var.job_credentials.role_arn
    error_message = "job_credentials.role_arn is the execution role itself, which reads the runner token: write another role, or create_job_role = true."
  }

  precondition {
    condition     = local.job_credentials != "inherit" || length(var.accounts) == 0
    error_message = "accounts do not go with job_credentials.mode \"inherit\": its keys stand in the job's environment, where they win over every profile. Write create_job_role = true and leave mode out."
  }

  precondition {
    condition     = local.job_credentials == "role" || length(local.chained_accounts) == 0
    error_message = "accounts ${join(", ", keys(local.chained_accounts))} are reached over the job role, and there is none: write create_job_role = true, or id_token = \"AWS_ID_TOKEN\" for an account that trusts GitLab."
  }

  precondition {
    condition     = var.id_token_audience == null || (local.job_credentials == "role" && var.job_session_identity)
    error_message = "id_token_audience adds tags to the session of the job role, and there is no such session with tags: write create_job_role = true and leave job_session_identity out, or leave id_token_audience out."
  }

  precondition {
    condition     = try(var.provider_mirror.s3, null) == null || var.ephemeral_storage_size >= 2048
    error_message = "provider_mirror.s3 is unpacked in /tmp, which has ${var.ephemeral_storage_size} MB: write ephemeral_storage_size = 2048 or more."
  }

  precondition {
    condition = !startswith(coalesce(try(var.provider_mirror.path, null), "none"), "/mnt/") || (
      var.file_system == null ? false : startswith("${var.provider_mirror.path}/", "${var.file_system.local_mount_path}/")
    )
    error_message = "provider_mirror.path is below /mnt/, where only file_system mounts: write file_system = { access_point_arn = \"...\", local_mount_path = \"...\" } with a path that holds it."
  }
}

output "function_name" {
  description = "Name of the runner function."
  value       = module.function.name
}

output "function_version" {
  description = "Number of the newest published version."
  value       = module.function.version
}

output "alias_arn" {
  description = "ARN of the alias `live`: what triggers invoke."
  value       = module.function.alias_arn
}

output "alias_name" {
  description = "Name of the alias."
  value       = module.function.alias_name
}

output "log_group_arn" {
  description = "ARN of the function's log group."
  value       = module.function.log_group_arn
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.function.log_group_name
}

output "role_arn" {
  description = "ARN of the execution role, also of one that was given."
  value       = var.create ? local.role_arn : null
}

output "role_name" {
  description = "Name of the execution role, also of one that was given."
  value       = local.create_role ? module.execution_role.name : (var.create ? element(split("/", local.role_arn), -1) : null)
}

output "layer_arns" {
  description = "ARNs of the layer versions made here, by the layer's name."
  value       = { for name, layer in module.layer : name => layer.arn }
}

output "artifact_hashes" {
  description = "SHA-256 of the artifacts in use, in hexadecimal, by name."
  value       = { for name, artifact in local.artifacts : name => artifact.sha256 }
}

output "job_role_arn" {
  description = "ARN of the job role, also of one that was given; null where jobs get none."
  value       = var.create ? (local.create_job_role ? module.job_role.arn : local.job_role_arn) : null
}

output "job_role_name" {
  description = "Name of the job role, also of one that was given; null where jobs get none."
  value       = var.create ? (local.create_job_role ? module.job_role.name : (local.job_role_arn == null ? null : element(split("/", local.job_role_arn), -1))) : null
}

output "accounts_parameter_name" {
  description = "Name of the SSM parameter that holds `accounts`; null where there are none."
  value       = one(aws_ssm_parameter.accounts[*].name)
}

output "account_names" {
  description = "Names of the profiles that jobs get, one for each of `accounts`."
  value       = var.create ? sort(keys(var.accounts)) : []
}
