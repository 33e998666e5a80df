# SPDX-License-Identifier: Apache-2.0

# What both accounts must agree on.

locals {
  version     = "v0.1.0"
  gitlab_url  = "https://gitlab.example.com"
  audiences   = ["https://gitlab.example.com"]
  deploy_role = "runlet-deploy"
  external_id = "runlet-prod"
}
