# SPDX-License-Identifier: Apache-2.0

output "function_name" {
  description = "Name of the function to invoke."
  value       = module.runner.function_name
}

output "token_secret_arn" {
  description = "ARN of the secret that must hold the runner token."
  value       = aws_secretsmanager_secret.runner_token.arn
}

output "job_role_arn" {
  description = "ARN of the role whose session each job gets."
  value       = module.runner.job_role_arn
}

output "deploy_role_arns" {
  description = "ARNs of the roles in the spokes, by the name of the account."
  value = {
    dev     = module.dev.arn
    staging = module.staging.arn
    prod    = module.prod.arn
  }
}
