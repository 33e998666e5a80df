# SPDX-License-Identifier: Apache-2.0

output "arn" {
  description = "ARN of the layer version, as a function's `layer_arns` takes it."
  value       = one(aws_lambda_layer_version.this[*].arn)
}

output "layer_arn" {
  description = "ARN of the layer without a version."
  value       = one(aws_lambda_layer_version.this[*].layer_arn)
}

output "name" {
  description = "Name of the layer."
  value       = one(aws_lambda_layer_version.this[*].layer_name)
}

output "version" {
  description = "Number of the layer version."
  value       = one(aws_lambda_layer_version.this[*].version)
}

output "source_code_hash" {
  description = "Base64 of the SHA-256 of the version's zip."
  value       = one(aws_lambda_layer_version.this[*].source_code_hash)
}
