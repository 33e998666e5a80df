# SPDX-License-Identifier: Apache-2.0

# A long value for the tests: OpenTofu takes no function in a test's variables.
output "too_many_targets" {
  description = "More than a policy holds."
  value       = [for number in range(240) : "arn:aws:iam::444455556666:role/deploy-${number}"]
}
