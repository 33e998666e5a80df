# SPDX-License-Identifier: Apache-2.0

# What the account of the runner gets.

unit "runner" {
  source = "git::https://example.com/runlet.git//examples/terragrunt/units/runner?ref=${values.version}"
  path   = "runner"

  values = {
    version                = values.version
    name                   = values.name
    artifacts              = values.artifacts
    artifacts_s3           = values.artifacts_s3
    layers                 = values.layers
    extra_layer_arns       = values.extra_layer_arns
    memory_size            = values.memory_size
    ephemeral_storage_size = values.ephemeral_storage_size
    gitlab_url             = values.gitlab_url
    token                  = values.token
    accounts               = values.accounts
  }
}
