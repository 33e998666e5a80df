# SPDX-License-Identifier: Apache-2.0

# Region, credentials and, for the local cloud, the endpoint come from the environment: AWS_REGION,
# AWS_PROFILE, AWS_ENDPOINT_URL and so on.
provider "aws" {
  default_tags {
    tags = { project = "runlet-quick-start" }
  }
}

locals {
  token_secret_arn = var.token_secret_arn != null ? var.token_secret_arn : aws_secretsmanager_secret.runner_token[0].arn
}

# The container alone. Its value, the runner token, is put in by hand and never enters the state.
resource "aws_secretsmanager_secret" "runner_token" {
  #checkov:skip=CKV_AWS_149:The service's own key encrypts it; a key of one's own costs a dollar a month and goes into token.kms_key_arn.
  #checkov:skip=CKV2_AWS_57:GitLab hands out runner tokens, so Secrets Manager cannot rotate them; the function reads a new one by itself.
  count = var.token_secret_arn == null ? 1 : 0

  # A prefix, because the name of a destroyed secret stays taken for 30 days.
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
  architecture     = var.architecture
  extra_layer_arns = module.gitlab_ca[*].arn
  token            = { secret_arn = local.token_secret_arn }

  gitlab = {
    url         = var.gitlab_url
    tls_ca_file = var.gitlab_ca_layer == null ? null : "/opt/gitlab-ca.pem"
  }

  memory_size            = var.memory_size
  timeout                = var.timeout
  ephemeral_storage_size = 1024
}
