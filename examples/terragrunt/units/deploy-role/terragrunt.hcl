# SPDX-License-Identifier: Apache-2.0

# The role that jobs deploy with in an account: over the runner's job role, which is in another
# account, or with an id_token, for which the identity provider is beside it.

include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "git::https://example.com/runlet.git//terraform/modules/cross-account-role?ref=${values.version}"
}

# What stands in until the runner is there, so that a plan of everything needs nothing applied. An
# apply never takes it.
dependency "runner" {
  config_path = values.runner

  mock_outputs = {
    job_role_arn = "arn:aws:iam::123456789012:role/runlet-job"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

dependency "gitlab_oidc" {
  config_path = values.gitlab_oidc

  mock_outputs = {
    provider_arn = "arn:aws:iam::210987654321:oidc-provider/gitlab.example.com"
    host         = "gitlab.example.com"
  }
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]
}

inputs = {
  name            = values.name
  inline_policies = values.inline_policies

  job_roles = {
    runner = {
      arn          = dependency.runner.outputs.job_role_arn
      external_id  = values.external_id
      session_tags = values.session_tags
    }
  }

  gitlab_oidc = {
    provider_arn = dependency.gitlab_oidc.outputs.provider_arn
    host         = dependency.gitlab_oidc.outputs.host
    subjects     = values.subjects
    audiences    = values.audiences
  }
}
