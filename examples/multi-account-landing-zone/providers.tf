# SPDX-License-Identifier: Apache-2.0

# The hub's credentials come from the environment. From there one role leads into each spoke: the one
# that your landing zone makes in every account.
provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "dev"
  region = local.spokes["dev"].region

  assume_role {
    role_arn = "arn:${local.partition}:iam::${local.spokes["dev"].account_id}:role/${var.provisioning_role_name}"
  }
}

provider "aws" {
  alias  = "staging"
  region = local.spokes["staging"].region

  assume_role {
    role_arn = "arn:${local.partition}:iam::${local.spokes["staging"].account_id}:role/${var.provisioning_role_name}"
  }
}

provider "aws" {
  alias  = "prod"
  region = local.spokes["prod"].region

  assume_role {
    role_arn = "arn:${local.partition}:iam::${local.spokes["prod"].account_id}:role/${var.provisioning_role_name}"
  }
}
