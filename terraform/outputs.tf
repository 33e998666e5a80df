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
  value       = var.create ? (var.role_arn != null ? var.role_arn : module.execution_role.arn) : null
}

output "role_name" {
  description = "Name of the execution role, also of one that was given."
  value       = var.create ? (var.role_arn != null ? element(split("/", var.role_arn), -1) : module.execution_role.name) : null
}

output "layer_arns" {
  description = "ARNs of the layer versions made here, by the layer's name."
  value       = { for name, layer in module.layer : name => layer.arn }
}

output "artifact_hashes" {
  description = "SHA-256 of the artifacts in use, in hexadecimal, by name."
  value       = { for name, artifact in local.artifacts : name => artifact.sha256 }
}
