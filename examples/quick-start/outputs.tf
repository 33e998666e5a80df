# SPDX-License-Identifier: Apache-2.0

output "function_name" {
  description = "Name of the function to invoke."
  value       = module.runner.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = module.runner.function_arn
}

output "alias_arn" {
  description = "ARN of the alias `live`, for triggers."
  value       = module.runner.alias_arn
}

output "alias_name" {
  description = "Name of the alias, to invoke as function_name:alias_name."
  value       = module.runner.alias_name
}

output "token_secret_arn" {
  description = "ARN of the secret that must hold the runner token."
  value       = local.token_secret_arn
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.runner.log_group_name
}
