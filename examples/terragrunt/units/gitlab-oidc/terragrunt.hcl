# SPDX-License-Identifier: Apache-2.0

# The account's identity provider for GitLab: with it AWS takes a job's id_token.

include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "git::https://example.com/runlet.git//terraform/modules/gitlab-oidc?ref=${values.version}"
}

inputs = {
  issuer_url = values.gitlab_url
  audiences  = values.audiences
}
