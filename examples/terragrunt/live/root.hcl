# SPDX-License-Identifier: Apache-2.0

# What every unit shares: the state in a bucket of its own account, and a provider that refuses every
# other account. Neither holds credentials: auth-provider.sh gives each unit its account's.

locals {
  account = read_terragrunt_config(find_in_parent_folders("account.hcl")).locals
  # The folders that terragrunt makes say nothing.
  name = replace(path_relative_to_include(), ".terragrunt-stack/", "")
}

remote_state {
  backend = "s3"

  generate = {
    path      = "backend.generated.tf"
    if_exists = "overwrite_terragrunt"
  }

  config = {
    bucket       = "runlet-state-${local.account.account_id}"
    key          = "${local.name}/terraform.tfstate"
    region       = local.account.region
    encrypt      = true
    use_lockfile = true
    # An endpoint of one's own has no host name for each bucket.
    use_path_style = get_env("AWS_ENDPOINT_URL_S3", get_env("AWS_ENDPOINT_URL", "")) != ""
  }
}

generate "provider" {
  path      = "provider.generated.tf"
  if_exists = "overwrite_terragrunt"

  contents = <<-EOF
    provider "aws" {
      region              = "${local.account.region}"
      allowed_account_ids = ["${local.account.account_id}"]

      default_tags {
        tags = { terragrunt = "${local.name}" }
      }
    }
  EOF
}
