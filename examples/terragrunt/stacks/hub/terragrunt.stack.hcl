# SPDX-License-Identifier: Apache-2.0

# What the account of the runner gets.

unit "runner" {
  source = "git::https://example.com/runlet.git//examples/terragrunt/units/runner?ref=${values.version}"
  path   = "runner"

  values = {
    version      = values.version
    name         = values.name
    artifacts    = values.artifacts
    artifacts_s3 = values.artifacts_s3
    gitlab_url   = values.gitlab_url
    token        = values.token
    accounts     = values.accounts
  }
}
