# SPDX-License-Identifier: Apache-2.0

# The real provider makes the real policy text, without a call to AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "mock"
  secret_key                  = "mock"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name = "deploy"
  job_roles = {
    runner = {
      arn          = "arn:aws:iam::111122223333:role/ci/runlet-job"
      external_id  = "runlet-prod"
      session_tags = { project_id = ["7"], ref = ["main"], protected = ["true"] }
    }
  }
}

run "trusts_one_job_role_by_its_external_id_and_tags_and_nobody_else" {
  command = plan

  assert {
    condition = [for s in jsondecode(output.trust_policy_json).Statement : jsonencode(s)] == [
      jsonencode({
        Action = "sts:AssumeRole"
        Condition = { StringEquals = {
          "aws:PrincipalTag/runlet:project_id" = "7"
          "aws:PrincipalTag/runlet:protected"  = "true"
          "aws:PrincipalTag/runlet:ref"        = "main"
          "sts:ExternalId"                     = "runlet-prod"
        } }
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::111122223333:role/ci/runlet-job" }
        Sid       = "AssumeRunner"
      }),
      jsonencode({
        Action    = ["sts:TagSession", "sts:SetSourceIdentity"]
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::111122223333:role/ci/runlet-job" }
        Sid       = "Identify"
      }),
    ]
    error_message = "The trust is not the two statements that were meant: ${output.trust_policy_json}"
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role.this[0].assume_role_policy)) == jsonencode(jsondecode(output.trust_policy_json))
    error_message = "The role's trust is not the one that is given out."
  }

  assert {
    condition     = aws_iam_role.this[0].name == "deploy" && aws_iam_role.this[0].path == "/" && aws_iam_role.this[0].max_session_duration == 3600
    error_message = "The role's name, path or duration is not the one that was meant."
  }

  assert {
    condition     = length(aws_iam_role_policy.this) == 0 && length(aws_iam_role_policy_attachment.this) == 0
    error_message = "A role has rights that nobody gave it."
  }
}

run "takes_every_tag_of_a_job" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn         = "arn:aws:iam::111122223333:role/runlet-job"
        external_id = "runlet-prod"
        session_tags = {
          project_id   = ["7", "8"]
          project_path = ["group/app"]
          ref          = ["release/1.2", "main"]
          ref_type     = ["branch"]
          protected    = ["true"]
          job_id       = ["41"]
          pipeline_id  = ["12"]
          user_id      = ["3"]

          pipeline_source = ["push"]
          environment     = ["production"]
          user_login      = ["root"]
        }
      }
    }
  }

  assert {
    condition = jsonencode({ for name, value in jsondecode(output.trust_policy_json).Statement[0].Condition.StringEquals : name => flatten([value]) }) == jsonencode({
      "aws:PrincipalTag/runlet:environment"     = ["production"]
      "aws:PrincipalTag/runlet:job_id"          = ["41"]
      "aws:PrincipalTag/runlet:pipeline_id"     = ["12"]
      "aws:PrincipalTag/runlet:pipeline_source" = ["push"]
      "aws:PrincipalTag/runlet:project_id"      = ["7", "8"]
      "aws:PrincipalTag/runlet:project_path"    = ["group/app"]
      "aws:PrincipalTag/runlet:protected"       = ["true"]
      "aws:PrincipalTag/runlet:ref"             = ["release/1.2", "main"]
      "aws:PrincipalTag/runlet:ref_type"        = ["branch"]
      "aws:PrincipalTag/runlet:user_id"         = ["3"]
      "aws:PrincipalTag/runlet:user_login"      = ["root"]
      "sts:ExternalId"                          = ["runlet-prod"]
    })
    error_message = "A tag is not asked for as it was given: ${output.trust_policy_json}"
  }
}

run "keeps_the_conditions_of_two_entries_apart" {
  command = plan

  variables {
    job_roles = {
      branches = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-a"
        session_tags = { project_id = ["7"], ref_type = ["branch"], protected = ["true"] }
      }
      otherRunner = {
        arn          = "arn:aws-us-gov:iam::777788889999:role/runlet-job"
        external_id  = "runlet-b"
        session_tags = { project_path = ["group/app"] }
      }
      tags = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-a"
        session_tags = { project_id = ["7"], ref_type = ["tag"], protected = ["true"] }
      }
    }
  }

  assert {
    condition = [for s in jsondecode(output.trust_policy_json).Statement : "${s.Sid} ${join(" ", sort(flatten([s.Principal.AWS])))} ${try(s.Condition.StringEquals["sts:ExternalId"], "")}"] == [
      "AssumeBranches arn:aws:iam::111122223333:role/runlet-job runlet-a",
      "AssumeOtherRunner arn:aws-us-gov:iam::777788889999:role/runlet-job runlet-b",
      "AssumeTags arn:aws:iam::111122223333:role/runlet-job runlet-a",
      "Identify arn:aws-us-gov:iam::777788889999:role/runlet-job arn:aws:iam::111122223333:role/runlet-job ",
    ]
    error_message = "The entries are mixed: ${output.trust_policy_json}"
  }
}

run "takes_an_unprotected_ref_and_any_project_where_that_is_said" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn                   = "arn:aws:iam::111122223333:role/runlet-job"
        external_id           = "runlet-dev"
        session_tags          = { ref = ["main"] }
        allow_any_project     = true
        allow_unprotected_ref = true
      }
    }
  }

  assert {
    condition = jsonencode(jsondecode(output.trust_policy_json).Statement[0].Condition) == jsonencode({ StringEquals = {
      "aws:PrincipalTag/runlet:ref" = "main"
      "sts:ExternalId"              = "runlet-dev"
    } })
    error_message = "The conditions are others: ${output.trust_policy_json}"
  }
}

run "trusts_gitlab_by_the_exact_subject_and_audience" {
  command = plan

  variables {
    job_roles = {}
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  assert {
    condition = [for s in jsondecode(output.trust_policy_json).Statement : jsonencode(s)] == [jsonencode({
      Action = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "gitlab.example.com:aud" = "https://gitlab.example.com"
        "gitlab.example.com:sub" = "project_path:group/app:ref_type:branch:ref:main"
      } }
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com" }
      Sid       = "AssumeWithGitLabToken"
    })]
    error_message = "The trust is not the one statement that was meant: ${output.trust_policy_json}"
  }
}

run "matches_wildcards_after_the_project" {
  command = plan

  variables {
    job_roles = {}
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/example.com/gitlab"
      host         = "example.com/gitlab"
      subjects     = ["project_path:group/app:ref_type:branch:ref:release/*", "project_id:7:ref_type:tag:ref:v1"]
      audiences    = ["sts"]
    }
  }

  assert {
    condition = jsonencode(jsondecode(output.trust_policy_json).Statement[0].Condition) == jsonencode({
      StringEquals = { "example.com/gitlab:aud" = "sts" }
      StringLike   = { "example.com/gitlab:sub" = ["project_path:group/app:ref_type:branch:ref:release/*", "project_id:7:ref_type:tag:ref:v1"] }
    })
    error_message = "The conditions are others: ${output.trust_policy_json}"
  }
}

run "takes_an_escaped_wildcard_for_itself" {
  command = plan

  variables {
    job_roles = {}
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_id:7:deployment_tier:&{*}"]
      audiences    = ["sts"]
    }
  }

  assert {
    condition     = jsondecode(output.trust_policy_json).Statement[0].Condition.StringEquals["gitlab.example.com:sub"] == "project_id:7:deployment_tier:$${*}"
    error_message = "The wildcard is not escaped: ${output.trust_policy_json}"
  }
}

run "matches_a_group_where_that_is_said" {
  command = plan

  variables {
    job_roles = {}
    gitlab_oidc = {
      provider_arn              = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host                      = "gitlab.example.com"
      subjects                  = ["project_path:group/*:ref_type:branch:ref:main"]
      audiences                 = ["sts"]
      allow_namespace_wildcards = true
    }
  }

  assert {
    condition     = jsondecode(output.trust_policy_json).Statement[0].Condition.StringLike["gitlab.example.com:sub"] == "project_path:group/*:ref_type:branch:ref:main"
    error_message = "The subject is another: ${output.trust_policy_json}"
  }
}

run "asks_both_ways_for_the_session_name" {
  command = plan

  variables {
    session_name = "AWSAFT-Session"
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  assert {
    condition = [for s in jsondecode(output.trust_policy_json).Statement : "${s.Sid} ${try(s.Condition.StringEquals["sts:RoleSessionName"], "")}"] == [
      "AssumeRunner AWSAFT-Session",
      "Identify ",
      "AssumeWithGitLabToken AWSAFT-Session",
    ]
    error_message = "The session name is not asked for on both ways: ${output.trust_policy_json}"
  }
}

run "gives_the_role_its_limits_and_policies" {
  command = plan

  variables {
    path                     = "/ci/"
    max_session_duration     = 7200
    permissions_boundary_arn = "arn:aws:iam::444455556666:policy/boundary"
    policy_arns              = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" }
    inline_policies          = { deploy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
    tags                     = { team = "platform" }
  }

  assert {
    condition     = aws_iam_role.this[0].path == "/ci/" && aws_iam_role.this[0].max_session_duration == 7200 && aws_iam_role.this[0].permissions_boundary == "arn:aws:iam::444455556666:policy/boundary" && aws_iam_role.this[0].tags == tomap({ team = "platform" })
    error_message = "The role's path, limits or tags are others."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.this["read"].policy_arn == "arn:aws:iam::aws:policy/ReadOnlyAccess" && aws_iam_role_policy_attachment.this["read"].role == "deploy"
    error_message = "The policy is not attached."
  }

  assert {
    condition     = aws_iam_role_policy.this["deploy"].name == "deploy" && aws_iam_role_policy.this["deploy"].role == "deploy" && jsondecode(aws_iam_role_policy.this["deploy"].policy).Version == "2012-10-17"
    error_message = "The inline policy is not the role's."
  }
}

run "makes_nothing_where_nothing_is_wanted" {
  command = plan

  variables {
    create          = false
    job_roles       = {}
    policy_arns     = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" }
    inline_policies = { deploy = "{\"Statement\":[]}" }
  }

  assert {
    condition     = output.arn == null && output.name == null && output.unique_id == null && output.trust_policy_json == null
    error_message = "An output is not null."
  }

  assert {
    condition     = length(aws_iam_role_policy.this) == 0 && length(aws_iam_role_policy_attachment.this) == 0
    error_message = "A policy is made for a role that is not."
  }
}

run "refuses_a_trust_that_is_too_long" {
  command = plan

  variables {
    job_roles = {}
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      # 64 times 64 characters.
      subjects  = ["project_id:7:ref:%{for a in [0, 1, 2, 3, 4, 5, 6, 7]}%{for b in [0, 1, 2, 3, 4, 5, 6, 7]}${a}${b}/a-branch-with-a-name-that-is-as-long-as-a-sentence-of-a-novel/%{endfor}%{endfor}"]
      audiences = ["sts"]
    }
  }

  expect_failures = [aws_iam_role.this]
}

run "compares_claims_that_aws_knows_for_gitlab_com" {
  command = plan

  variables {
    job_roles = {}
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
      host         = "gitlab.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.com"]
      claims       = { project_id = { values = ["7"] }, user_login = { test = "StringLike", values = ["ops-*"] } }
    }
  }

  assert {
    condition = jsonencode(jsondecode(output.trust_policy_json).Statement[0].Condition) == jsonencode({
      StringEquals = {
        "gitlab.com:aud"        = "https://gitlab.com"
        "gitlab.com:project_id" = "7"
        "gitlab.com:sub"        = "project_path:group/app:ref_type:branch:ref:main"
      }
      StringLike = { "gitlab.com:user_login" = "ops-*" }
    })
    error_message = "The claims are not compared as told: ${output.trust_policy_json}"
  }
}
