# SPDX-License-Identifier: Apache-2.0

# The runner that plans and applies itself. Its token is not in here: a job has no right on it.

provider "aws" {
  region = var.region
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

module "runner" {
  source = "../../terraform"

  name                   = var.name
  artifacts              = var.artifacts
  artifacts_s3           = { bucket = var.artifacts_bucket }
  layers                 = ["gitlab-runner", "git", "opentofu"]
  extra_layer_arns       = var.extra_layer_arns
  token                  = { secret_arn = var.token_secret_arn }
  gitlab                 = var.gitlab
  provider_mirror        = var.provider_mirror == null ? null : { s3 = var.provider_mirror }
  memory_size            = 2048
  timeout                = 900
  ephemeral_storage_size = 2048

  create_job_role = true
  job_role        = { inline_policies = { self-deploy = data.aws_iam_policy_document.self_deploy.json } }
}
