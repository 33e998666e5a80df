# SPDX-License-Identifier: Apache-2.0

output "arn" {
  description = "ARN of the role. It does not wait for `target_role_arns`, whose trust needs it."
  value       = one(aws_iam_role.this[*].arn)

  depends_on = [aws_iam_role_policy.token, aws_iam_role_policy.this, aws_iam_role_policy_attachment.this]
}

output "name" {
  description = "Name of the role."
  value       = one(aws_iam_role.this[*].name)
}

output "unique_id" {
  description = "Stable id of the role, as some conditions have it."
  value       = one(aws_iam_role.this[*].unique_id)
}

output "trust_policy_json" {
  description = "The role's trust policy as JSON, for reviews and tests."
  value       = one(data.aws_iam_policy_document.trust[*].json)
}

output "policy_json" {
  description = "What the role may do by `target_role_arns`, as JSON; null where there are none."
  value       = one(data.aws_iam_policy_document.targets[*].json)
}

output "token_policy_json" {
  description = "What denies the role the runner token, as JSON; null without `token_arns`."
  value       = one(data.aws_iam_policy_document.token[*].json)
}
