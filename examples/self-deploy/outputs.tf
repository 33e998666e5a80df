# SPDX-License-Identifier: Apache-2.0

output "function_name" {
  description = "Name of the function."
  value       = module.runner.function_name
}

output "function_version" {
  description = "Number of the version that the alias `live` leads to."
  value       = module.runner.function_version
}

output "alias_arn" {
  description = "ARN of the alias `live`, to invoke."
  value       = module.runner.alias_arn
}

output "job_role_arn" {
  description = "ARN of the role that the `plan` and `apply` jobs have a session of."
  value       = module.runner.job_role_arn
}
