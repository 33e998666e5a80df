# SPDX-License-Identifier: Apache-2.0

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

# A caller whose own roles are made in the same configuration: no ARN is known in the plan. It
# keeps external ids from sight.
resource "terraform_data" "role" {
  for_each = toset(["execution", "job", "deploy"])

  input = "arn:aws:iam::123456789012:role/${each.key}"
}

module "runner" {
  source = "../.."

  artifacts       = "tests/artifacts"
  layers          = []
  gitlab          = { url = "https://gitlab.example.com" }
  token           = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf" }
  create_role     = false
  role_arn        = terraform_data.role["execution"].output
  job_credentials = { mode = "role", role_arn = terraform_data.role["job"].output }
  accounts        = { prod = { role_arn = terraform_data.role["deploy"].output, external_id = sensitive("runlet-prod") } }
}

output "role_arns" {
  description = "The roles that the runner works with."
  value       = [module.runner.role_arn, module.runner.job_role_arn]
}
