# SPDX-License-Identifier: Apache-2.0

# What an account gets that jobs deploy to.

unit "gitlab_oidc" {
  source = "git::https://example.com/runlet.git//examples/terragrunt/units/gitlab-oidc?ref=${values.version}"
  path   = "gitlab-oidc"

  values = {
    version    = values.version
    gitlab_url = values.gitlab_url
    audiences  = values.audiences
  }
}

unit "deploy_role" {
  source = "git::https://example.com/runlet.git//examples/terragrunt/units/deploy-role?ref=${values.version}"
  path   = "deploy-role"

  values = {
    version         = values.version
    name            = values.name
    runner          = values.runner
    gitlab_oidc     = "../gitlab-oidc"
    external_id     = values.external_id
    session_tags    = values.session_tags
    subjects        = values.subjects
    audiences       = values.audiences
    inline_policies = values.inline_policies
  }
}
