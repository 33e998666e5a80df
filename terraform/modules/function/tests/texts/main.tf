# SPDX-License-Identifier: Apache-2.0

# Long texts for the tests: OpenTofu takes no function in a test's variables.
output "fits" {
  description = "As {\"LONG\":\"...\"} it has 4,096 bytes."
  value       = format("%4085s", "x")
}

output "too_long" {
  description = "One byte more."
  value       = format("%4086s", "x")
}
