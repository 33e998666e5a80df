# SPDX-License-Identifier: Apache-2.0

locals {
  account = read_terragrunt_config("account.hcl").locals
  prod    = read_terragrunt_config("../prod/account.hcl").locals
  runlet  = read_terragrunt_config("../runlet.hcl").locals
}

stack "runlet" {
  source = "git::https://example.com/runlet.git//examples/terragrunt/stacks/hub?ref=${local.runlet.version}"
  path   = "runlet"

  values = {
    version    = local.runlet.version
    name       = "runlet"
    gitlab_url = local.runlet.gitlab_url
    token      = { parameter_name = "/runlet/runner-token" }

    # artifacts.json of `make publish`, kept here, says which zips of the bucket are in use.
    artifacts    = "${get_terragrunt_dir()}/artifacts"
    artifacts_s3 = { bucket = "runlet-artifacts-${local.account.account_id}" }

    # By name and not from the other account's outputs: that role trusts this runner's, so it is made
    # after it.
    accounts = {
      prod = {
        role_arn    = "arn:aws:iam::${local.prod.account_id}:role/${local.runlet.deploy_role}"
        external_id = local.runlet.external_id
        region      = local.prod.region
      }
    }
  }
}
