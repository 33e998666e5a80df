# SPDX-License-Identifier: Apache-2.0

output "role_arns" {
  description = "ARNs of the roles, by the names given to them here: what a job writes as role to assume."
  value       = { for name, role in module.role : name => role.arn }

  precondition {
    condition     = length(local.not_in_sub) == 0
    error_message = "${join(", ", local.not_in_sub)} is not in the sub of these projects, which has ${join(", ", var.sub_claim_components)}: the condition would never match. Leave it out, or set the projects' ci_id_token_sub_claim_components and write the same as sub_claim_components."
  }

  precondition {
    condition     = length(local.unknown_claims) == 0
    error_message = "roles ${join(", ", local.unknown_claims)} have claims, which AWS knows for gitlab.com alone: for ${local.host} only sub and aud reach the trust policy, and a condition on another claim never matches. Put what you need into the sub, by the projects' ci_id_token_sub_claim_components."
  }

  precondition {
    condition     = length(local.unknown_audiences) == 0
    error_message = "roles ${join(", ", local.unknown_audiences)} want an aud that the identity provider would refuse: add it to audiences."
  }
}

output "role_names" {
  description = "Names of the roles, by the names given to them here."
  value       = { for name, role in module.role : name => role.name }
}

output "provider_arn" {
  description = "ARN of the identity provider, made or found."
  value       = local.provider_arn
}

output "host" {
  description = "The issuer without `https://`, as conditions name it: `host` of `gitlab_oidc` in `modules/cross-account-role`."
  value       = var.create ? local.host : null
}

output "subjects" {
  description = "The `sub` that each role lets in, as `subjects` of `gitlab_oidc` in `modules/cross-account-role` takes them."
  value       = var.create ? local.subjects : {}
}

output "trust_policy_jsons" {
  description = "The roles' trust policies as JSON, for reviews and tests."
  value       = { for name, role in module.role : name => role.trust_policy_json }
}
