# SPDX-License-Identifier: Apache-2.0

# What is deployed. The account is that of AWS_PROFILE; keep the state in a backend of your own.

terraform {
  required_version = ">= 1.7"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

provider "aws" {}

variable "app_version" {
  description = "The commit that is deployed."
  type        = string
}

resource "aws_ssm_parameter" "version" {
  #checkov:skip=CKV2_AWS_34:It holds the hash of a commit, which is no secret.
  name      = "/app/version"
  type      = "String"
  value     = var.app_version
  overwrite = true
}
