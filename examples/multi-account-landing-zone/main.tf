# SPDX-License-Identifier: Apache-2.0

# The hub: one runner, and the role whose session each of its jobs gets.

data "aws_partition" "current" {}

locals {
  # "aws", but in China, in GovCloud and so on.
  partition        = data.aws_partition.current.partition
  deploy_role_name = "${var.name}-deploy"

  spokes = {
    for name, account in var.accounts : name => {
      account_id = account.account_id
      region     = coalesce(account.region, var.region)
      # By name, because the runner names these roles and they name the runner's.
      role_arn    = "arn:${local.partition}:iam::${account.account_id}:role/${local.deploy_role_name}"
      external_id = "${var.name}-${name}"
    }
  }
}

# The container alone. Its value, the runner token, is put in by hand and never enters the state.
resource "aws_secretsmanager_secret" "runner_token" {
  #checkov:skip=CKV_AWS_149:The service's own key encrypts it; a key of one's own costs a dollar a month and goes into token.kms_key_arn.
  #checkov:skip=CKV2_AWS_57:GitLab hands out runner tokens, so Secrets Manager cannot rotate them; the function reads a new one by itself.
  name_prefix = "${var.name}-runner-token-"
  description = "Runner authentication token of ${var.gitlab_url}"
}

# Only for a GitLab with a private CA.
module "gitlab_ca" {
  source = "../../terraform/modules/layer"
  count  = var.gitlab_ca_layer == null ? 0 : 1

  name                     = "${var.name}-gitlab-ca"
  description              = "CA certificates of ${var.gitlab_url}"
  package                  = { path = var.gitlab_ca_layer }
  compatible_architectures = ["x86_64", "arm64"]
}

module "runner" {
  source = "../../terraform"

  name             = var.name
  artifacts        = var.artifacts
  layers           = var.layers
  extra_layer_arns = module.gitlab_ca[*].arn
  token            = { secret_arn = aws_secretsmanager_secret.runner_token.arn }

  gitlab = {
    url         = var.gitlab_url
    tls_ca_file = var.gitlab_ca_layer == null ? null : "/opt/gitlab-ca.pem"
  }

  # The AWS provider has 700 MB, and takes its time and memory.
  memory_size            = 2048
  ephemeral_storage_size = 2048
  provider_mirror        = var.provider_mirror == null ? null : { s3 = var.provider_mirror }

  create_job_role = true
  accounts = {
    for name, spoke in local.spokes : name => {
      role_arn    = spoke.role_arn
      external_id = spoke.external_id
      region      = spoke.region
    }
  }
}
