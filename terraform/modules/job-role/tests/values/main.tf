# SPDX-License-Identifier: Apache-2.0

# Long values for the tests: OpenTofu takes no function in a test's variables.
output "too_many_targets" {
  description = "More than a policy holds."
  value       = [for number in range(240) : "arn:aws:iam::444455556666:role/deploy-${number}"]
}

output "many_targets" {
  description = "Less than a policy holds, but not beside another of the same size."
  value       = [for number in range(120) : "arn:aws:iam::444455556666:role/deploy-${number}"]
}

output "long_policy" {
  description = "A policy of the same size."
  value       = jsonencode({ Version = "2012-10-17", Statement = [for number in range(80) : { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::bucket-${number}/*" }] })
}
