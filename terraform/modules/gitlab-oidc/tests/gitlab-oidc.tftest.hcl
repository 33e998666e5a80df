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
    arn            = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
    client_id_list = ["https://gitlab.example.com", "aws"]
  }
}

variables {
  issuer_url      = "https://gitlab.example.com"
  create_provider = false
  audiences       = ["https://gitlab.example.com"]
  roles           = { deploy = { subjects = [{ project_path = "group/app", ref_type = "branch", ref = "main" }] } }
}

run "trusts_one_branch_of_one_project" {
  command = plan

  assert {
    condition = [for s in jsondecode(output.trust_policy_jsons.deploy).Statement : jsonencode(s)] == [jsonencode({
      Action = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "gitlab.example.com:aud" = "https://gitlab.example.com"
        "gitlab.example.com:sub" = "project_path:group/app:ref_type:branch:ref:main"
      } }
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com" }
      Sid       = "AssumeWithGitLabToken"
    })]
    error_message = "The trust is not the one statement that was meant: ${output.trust_policy_jsons.deploy}"
  }

  assert {
    condition     = output.role_names == { deploy = "deploy" } && output.host == "gitlab.example.com" && output.provider_arn == "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
    error_message = "The outputs are not those of the role and the provider that was found."
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0
    error_message = "A second provider is made beside the one that was found."
  }
}

run "makes_a_provider" {
  command = plan

  variables {
    issuer_url      = "https://keys.example.com/gitlab"
    create_provider = true
    audiences       = ["aws", "https://gitlab.example.com"]
    thumbprints     = ["0123456789abcdef0123456789abcdef01234567"]
    roles           = {}
  }

  assert {
    condition     = aws_iam_openid_connect_provider.this[0].url == "https://keys.example.com/gitlab" && join(" ", sort(aws_iam_openid_connect_provider.this[0].client_id_list)) == "aws https://gitlab.example.com" && join(" ", aws_iam_openid_connect_provider.this[0].thumbprint_list) == "0123456789abcdef0123456789abcdef01234567"
    error_message = "The provider is not the issuer's."
  }

  assert {
    condition     = output.host == "keys.example.com/gitlab"
    error_message = "The host of conditions is not the issuer: ${output.host}"
  }
}

run "writes_every_component_in_the_order_of_the_project" {
  command = plan

  variables {
    sub_claim_components = ["project_id", "ref_protected", "deployment_tier", "environment_protected", "ref_type", "ref"]
    roles = {
      deploy = { subjects = [
        { project_id = 7, ref = "main", ref_type = "branch", ref_protected = true, environment_protected = false, deployment_tier = "production" },
        { project_id = "8", ref_protected = true },
      ] }
    }
  }

  assert {
    condition = jsonencode(output.subjects.deploy) == jsonencode([
      "project_id:7:ref_protected:true:deployment_tier:production:environment_protected:false:ref_type:branch:ref:main",
      "project_id:8:ref_protected:true:deployment_tier:*:environment_protected:*:ref_type:*:ref:*",
    ])
    error_message = "A subject is not as GitLab writes it: ${jsonencode(output.subjects.deploy)}"
  }

  assert {
    condition     = length(jsondecode(output.trust_policy_jsons.deploy).Statement[0].Condition.StringLike["gitlab.example.com:sub"]) == 2
    error_message = "A wildcard is compared to the letter: ${output.trust_policy_jsons.deploy}"
  }
}

run "takes_wildcards_in_names_to_the_letter" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref = "a*b?c$d{e}" }] } }
  }

  assert {
    condition     = jsondecode(output.trust_policy_jsons.deploy).Statement[0].Condition.StringLike["gitlab.example.com:sub"] == "project_path:group/app:ref_type:*:ref:a$${*}b$${?}c$${$}d{e}"
    error_message = "A literal character would be a wildcard or a variable: ${output.trust_policy_jsons.deploy}"
  }
}

run "takes_patterns_where_they_are_meant" {
  command = plan

  variables {
    roles = {
      deploy = {
        allow_namespace_wildcards = true
        subjects                  = [{ project_path_pattern = "group/*", ref_type = "branch", ref_pattern = "release/?.*" }]
      }
    }
  }

  assert {
    condition     = jsondecode(output.trust_policy_jsons.deploy).Statement[0].Condition.StringLike["gitlab.example.com:sub"] == "project_path:group/*:ref_type:branch:ref:release/?.*"
    error_message = "A pattern is not one: ${output.trust_policy_jsons.deploy}"
  }
}

run "gives_each_role_its_own_conditions_and_rights" {
  command = plan

  variables {
    audiences = ["https://gitlab.example.com", "aws"]
    roles = {
      deploy = {
        name                     = "ci-deploy"
        path                     = "/ci/"
        description              = "Deploys"
        audiences                = ["aws"]
        session_name             = "AWSAFT-Session"
        max_session_duration     = 7200
        permissions_boundary_arn = "arn:aws:iam::444455556666:policy/boundary"
        policy_arns              = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" }
        inline_policies          = { deploy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
        subjects                 = [{ project_path = "group/app", ref_type = "branch", ref = "main" }]
      }
      plan = { subjects = [{ project_path = "group/app" }] }
    }
  }

  assert {
    condition     = output.role_names == { deploy = "ci-deploy", plan = "plan" }
    error_message = "A role is not named as told."
  }

  assert {
    condition = jsonencode(jsondecode(output.trust_policy_jsons.deploy).Statement[0].Condition) == jsonencode({ StringEquals = {
      "gitlab.example.com:aud" = "aws"
      "gitlab.example.com:sub" = "project_path:group/app:ref_type:branch:ref:main"
      "sts:RoleSessionName"    = "AWSAFT-Session"
    } })
    error_message = "The conditions are not those of the role: ${output.trust_policy_jsons.deploy}"
  }

  assert {
    condition     = length(jsondecode(output.trust_policy_jsons.plan).Statement[0].Condition.StringEquals["gitlab.example.com:aud"]) == 2
    error_message = "A role without audiences does not take all: ${output.trust_policy_jsons.plan}"
  }
}

run "makes_nothing_when_told_so" {
  command = plan

  variables {
    create = false
  }

  assert {
    condition     = output.provider_arn == null && output.host == null && length(output.role_arns) == 0 && length(output.role_names) == 0 && length(output.subjects) == 0 && length(output.trust_policy_jsons) == 0
    error_message = "An output is not null or empty."
  }
}

run "refuses_an_audience_that_the_provider_lacks" {
  command = plan

  variables {
    audiences = ["https://elsewhere.example.com"]
  }

  expect_failures = [data.aws_iam_openid_connect_provider.this[0]]
}
