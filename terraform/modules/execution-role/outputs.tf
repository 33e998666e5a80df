# SPDX-License-Identifier: Apache-2.0

output "arn" {
  description = "ARN of the role, given out when its policies are in place, but that of `accounts_parameter_name`."
  value       = one(aws_iam_role.this[*].arn)

  # Lambda tries the role when a function is made with a dead-letter target or a VPC.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.this]
}

output "name" {
  description = "Name of the role."
  value       = one(aws_iam_role.this[*].name)
}

output "unique_id" {
  description = "Stable id of the role, as session names and some conditions have it."
  value       = one(aws_iam_role.this[*].unique_id)
}

output "policy_json" {
  description = "The role's policy as JSON, for reviews and for attaching it to a role of your own."
  value       = one(data.aws_iam_policy_document.execution[*].json)
}

output "accounts_policy_json" {
  description = "The role's right on `accounts_parameter_name` as JSON; null where there is none."
  value       = one(data.aws_iam_policy_document.accounts[*].json)
}
