# SPDX-License-Identifier: Apache-2.0

# The real provider makes the real policy text, without a call to AWS: what it would ask is given
# below.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "mock"
  secret_key                  = "mock"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

override_data {
  target = data.aws_iam_openid_connect_provider.this
  values = {
    arn            = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
    client_id_list = ["https://gitlab.com"]
  }
}

variables {
  issuer_url      = "https://gitlab.com"
  create_provider = false
  audiences       = ["https://gitlab.com"]
}

run "compares_claims_that_aws_knows_for_gitlab_com" {
  command = plan

  variables {
    roles = {
      deploy = {
        subjects = [{ project_path = "group/app", ref_type = "branch", ref = "main" }]
        claims = {
          project_id      = { values = ["7"] }
          ref_protected   = { values = ["true"] }
          pipeline_source = { values = ["push", "web"] }
          user_login      = { test = "StringLike", values = ["ops-*"] }
        }
      }
    }
  }

  assert {
    condition = jsonencode(jsondecode(output.trust_policy_jsons.deploy).Statement[0].Condition) == jsonencode({
      StringEquals = {
        "gitlab.com:aud"             = "https://gitlab.com"
        "gitlab.com:pipeline_source" = ["push", "web"]
        "gitlab.com:project_id"      = "7"
        "gitlab.com:ref_protected"   = "true"
        "gitlab.com:sub"             = "project_path:group/app:ref_type:branch:ref:main"
      }
      StringLike = { "gitlab.com:user_login" = "ops-*" }
    })
    error_message = "The claims are not compared as told: ${output.trust_policy_jsons.deploy}"
  }
}
