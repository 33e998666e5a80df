# SPDX-License-Identifier: Apache-2.0

locals {
  account_id = "210987654321"
  region     = "eu-central-1"
  # Whom auth-provider.sh becomes here: a role that the landing zone has made, and what it is asked with.
  role_arn    = "arn:aws:iam::210987654321:role/landing-zone-deploy"
  external_id = "landing-zone"
}
