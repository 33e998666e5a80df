# SPDX-License-Identifier: Apache-2.0

# The runner: its function, its layers, its role, and the role whose session each job gets.

include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "git::https://example.com/runlet.git//terraform?ref=${values.version}"
}

inputs = {
  name                   = values.name
  artifacts              = values.artifacts
  artifacts_s3           = values.artifacts_s3
  layers                 = values.layers
  extra_layer_arns       = values.extra_layer_arns
  memory_size            = values.memory_size
  ephemeral_storage_size = values.ephemeral_storage_size
  gitlab                 = { url = values.gitlab_url }
  token                  = values.token
  create_job_role        = true
  accounts               = values.accounts
}
