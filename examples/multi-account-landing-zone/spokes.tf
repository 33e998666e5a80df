# SPDX-License-Identifier: Apache-2.0

# The spokes: one role in each, with as much trust as the account can bear. A block for each, because
# Terraform cannot choose a provider by a key.

locals {
  # What a deployment may do there; yours goes here.
  permissions = {
    for name, spoke in local.spokes : name => data.aws_iam_policy_document.deploy[name].json
  }
}

data "aws_iam_policy_document" "deploy" {
  for_each = local.spokes

  statement {
    sid       = "DeployVersion"
    actions   = ["ssm:PutParameter", "ssm:GetParameter", "ssm:GetParameters", "ssm:DeleteParameter", "ssm:AddTagsToResource", "ssm:ListTagsForResource"]
    resources = ["arn:${local.partition}:ssm:${each.value.region}:${each.value.account_id}:parameter/app/*"]
  }

  statement {
    sid       = "DescribeParameters"
    actions   = ["ssm:DescribeParameters"]
    resources = ["arn:${local.partition}:ssm:${each.value.region}:${each.value.account_id}:*"]
  }
}

# Any branch of the project may deploy to dev, merge requests of its own members included.
module "dev" {
  source    = "../../terraform/modules/cross-account-role"
  providers = { aws = aws.dev }

  name            = local.deploy_role_name
  inline_policies = { deploy = local.permissions["dev"] }
  job_roles = {
    runner = {
      arn          = module.runner.job_role_arn
      external_id  = local.spokes["dev"].external_id
      session_tags = { project_id = [tostring(var.project_id)] }
    }
  }
}

# Only protected branches and tags get to staging.
module "staging" {
  source    = "../../terraform/modules/cross-account-role"
  providers = { aws = aws.staging }

  name            = local.deploy_role_name
  inline_policies = { deploy = local.permissions["staging"] }
  job_roles = {
    runner = {
      arn         = module.runner.job_role_arn
      external_id = local.spokes["staging"].external_id
      session_tags = {
        project_id = [tostring(var.project_id)]
        protected  = ["true"]
      }
    }
  }
}

# And only the protected branch main gets to prod.
module "prod" {
  source    = "../../terraform/modules/cross-account-role"
  providers = { aws = aws.prod }

  name            = local.deploy_role_name
  inline_policies = { deploy = local.permissions["prod"] }
  job_roles = {
    runner = {
      arn         = module.runner.job_role_arn
      external_id = local.spokes["prod"].external_id
      session_tags = {
        project_id = [tostring(var.project_id)]
        ref        = ["main"]
        ref_type   = ["branch"]
        protected  = ["true"]
      }
    }
  }
}
