# SPDX-License-Identifier: Apache-2.0

# Long values for the tests: OpenTofu takes no function in a test's variables.
locals {
  accounts = [for number in range(120) : {
    name        = "account-${number}"
    role_arn    = "arn:aws:iam::444455556666:role/deploy"
    external_id = "runlet-${number}"
  }]
}

output "accounts" {
  description = "More than 4 KB as JSON, and less than 8."
  value       = { for account in slice(local.accounts, 0, 60) : account.name => { role_arn = account.role_arn, external_id = account.external_id } }
}

output "too_many_accounts" {
  description = "More than 8 KB as JSON."
  value       = { for account in local.accounts : account.name => { role_arn = account.role_arn, external_id = account.external_id } }
}

output "long_description" {
  description = "257 characters."
  value       = format("%257s", "x")
}
