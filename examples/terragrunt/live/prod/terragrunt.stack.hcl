# SPDX-License-Identifier: Apache-2.0

locals {
  runlet = read_terragrunt_config("../runlet.hcl").locals
}

stack "runlet" {
  source = "git::https://example.com/runlet.git//examples/terragrunt/stacks/spoke?ref=${local.runlet.version}"
  path   = "runlet"

  values = {
    version     = local.runlet.version
    name        = local.runlet.deploy_role
    gitlab_url  = local.runlet.gitlab_url
    audiences   = local.runlet.audiences
    external_id = local.runlet.external_id
    runner      = "${dirname(get_terragrunt_dir())}/hub/.terragrunt-stack/runlet/.terragrunt-stack/runner"

    # Who gets in: the protected branch main of one project, over the runner or with an id_token.
    session_tags = { project_id = ["7"], ref = ["main"], protected = ["true"] }
    subjects     = ["project_path:group/app:ref_type:branch:ref:main"]

    inline_policies = {
      deploy = jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid      = "PutPages"
          Effect   = "Allow"
          Action   = ["s3:GetObject", "s3:PutObject"]
          Resource = "arn:aws:s3:::pages.example.com/*"
        }]
      })
    }
  }
}
