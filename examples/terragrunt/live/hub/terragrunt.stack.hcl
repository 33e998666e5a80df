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

    # What the pipeline of this tree runs with; it also needs the ARN of a layer with bin/terragrunt.
    layers           = ["gitlab-runner", "git", "opentofu", "assume-role"]
    extra_layer_arns = []

    # The AWS provider has 700 MB, and takes its time and memory.
    memory_size            = 3008
    ephemeral_storage_size = 4096

    # By name and not from the other account's outputs: that role trusts this runner's, so it is made
    # after it.
    accounts = {
      prod = {
        role_arn    = "arn:aws:iam::${local.prod.account_id}:role/${local.runlet.deploy_role}"
        external_id = local.runlet.external_id
        region      = local.prod.region
      }
      # Whom the pipeline becomes in each account, by auth-provider.sh.
      hub-landing-zone  = { role_arn = local.account.role_arn, external_id = local.account.external_id }
      prod-landing-zone = { role_arn = local.prod.role_arn, external_id = local.prod.external_id }
    }
  }
}
