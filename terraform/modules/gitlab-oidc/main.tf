# SPDX-License-Identifier: Apache-2.0

locals {
  host = trimprefix(var.issuer_url, "https://")

  # Each component of the project's sub in its order, and `*` for one that does not matter. In names
  # the characters that mean something to IAM stand for themselves: in a policy document `&{` is IAM's
  # `${`. A ref holds no colon, so a wildcard cannot reach over into another component.
  subjects = {
    for name, role in var.roles : name => [
      for subject in role.subjects : join(":", [
        for component in var.sub_claim_components : "${component}:${
          contains(keys(subject), component)
          ? replace(replace(replace(subject[component], "$", "&{$}"), "*", "&{*}"), "?", "&{?}")
          : lookup(subject, "${component}_pattern", "*")
        }"
      ])
    ]
  }

  # What is wrong with roles beside other inputs; refused with the output role_arns.
  not_in_sub = distinct(flatten([for name, role in var.roles : [for subject in role.subjects : [
    for key in keys(subject) : "roles.${name}: ${trimsuffix(key, "_pattern")}" if !contains(var.sub_claim_components, trimsuffix(key, "_pattern"))
  ]]]))
  unknown_claims    = local.host == "gitlab.com" ? [] : [for name, role in var.roles : name if length(role.claims) > 0]
  unknown_audiences = [for name, role in var.roles : name if role.audiences == null ? false : length(setsubtract(role.audiences, var.audiences)) > 0]
  sound_roles = {
    for name, role in var.roles : name => role
    if var.create && !contains(local.unknown_claims, name) && length([for flaw in local.not_in_sub : flaw if startswith(flaw, "roles.${name}: ")]) == 0
  }

  provider_arn = var.create_provider ? one(aws_iam_openid_connect_provider.this[*].arn) : one(data.aws_iam_openid_connect_provider.this[*].arn)
}

resource "aws_iam_openid_connect_provider" "this" {
  count = var.create && var.create_provider ? 1 : 0

  url             = var.issuer_url
  client_id_list  = var.audiences
  thumbprint_list = var.thumbprints
  tags            = var.tags
}

data "aws_iam_openid_connect_provider" "this" {
  count = var.create && !var.create_provider ? 1 : 0

  url = var.issuer_url

  lifecycle {
    postcondition {
      condition     = length(setsubtract(var.audiences, self.client_id_list)) == 0
      error_message = "The account's identity provider for ${var.issuer_url} does not list ${join(", ", setsubtract(var.audiences, self.client_id_list))}, so AWS refuses such tokens: add it to the provider where that is made, or take it out of audiences."
    }
  }
}

module "role" {
  source   = "../cross-account-role"
  for_each = local.sound_roles

  name        = coalesce(each.value.name, each.key)
  path        = each.value.path
  description = each.value.description
  gitlab_oidc = {
    provider_arn              = local.provider_arn
    host                      = local.host
    subjects                  = local.subjects[each.key]
    audiences                 = each.value.audiences != null ? each.value.audiences : var.audiences
    allow_namespace_wildcards = each.value.allow_namespace_wildcards
    claims                    = each.value.claims
  }
  session_name             = each.value.session_name
  max_session_duration     = each.value.max_session_duration
  permissions_boundary_arn = each.value.permissions_boundary_arn
  policy_arns              = each.value.policy_arns
  inline_policies          = each.value.inline_policies
  tags                     = var.tags
}
