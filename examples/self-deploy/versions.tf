# SPDX-License-Identifier: Apache-2.0

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }

  # The bucket is named at `init`: -backend-config=bucket=example-state -backend-config=region=...
  backend "s3" {
    key          = "self-deploy/terraform.tfstate"
    use_lockfile = true
  }
}
