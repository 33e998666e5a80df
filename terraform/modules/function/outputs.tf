# SPDX-License-Identifier: Apache-2.0

output "arn" {
  description = "ARN of the function, without a version."
  value       = one(aws_lambda_function.this[*].arn)
}

output "name" {
  description = "Name of the function."
  value       = one(aws_lambda_function.this[*].function_name)
}

output "version" {
  description = "Number of the newest published version."
  value       = one(aws_lambda_function.this[*].version)
}

output "qualified_arn" {
  description = "ARN of the newest published version."
  value       = one(aws_lambda_function.this[*].qualified_arn)
}

output "alias_arn" {
  description = "ARN of the alias: what triggers invoke."
  value       = one(aws_lambda_alias.this[*].arn)
}

output "alias_name" {
  description = "Name of the alias."
  value       = one(aws_lambda_alias.this[*].name)
}

output "alias_invoke_arn" {
  description = "ARN by which API Gateway invokes the alias."
  value       = one(aws_lambda_alias.this[*].invoke_arn)
}

output "log_group_arn" {
  description = "ARN of the log group."
  value       = one(aws_cloudwatch_log_group.this[*].arn)
}

output "log_group_name" {
  description = "Name of the log group."
  value       = one(aws_cloudwatch_log_group.this[*].name)
}

output "environment_size" {
  description = "Bytes that the environment variables take of Lambda's 4,096."
  value       = var.create ? local.environment_size : null
}
