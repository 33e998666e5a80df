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

# A tag that is named like one of a job's session.
provider "aws" {
  alias                       = "tagged"
  region                      = "eu-central-1"
  access_key                  = "mock"
  secret_key                  = "mock"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true

  default_tags {
    tags = { "Runlet:Project_ID" = "7" }
  }
}

# An organisation's usual tags.
provider "aws" {
  alias                       = "usual"
  region                      = "eu-central-1"
  access_key                  = "mock"
  secret_key                  = "mock"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true

  default_tags {
    tags = { Environment = "production", project_id = "p-17", ref = "x" }
  }
}

variables {
  name               = "ci-job"
  execution_role_arn = "arn:aws:iam::123456789012:role/ci/runner"
}

run "trusts_the_execution_role_alone_and_may_do_nothing" {
  command = plan

  assert {
    condition = [for s in jsondecode(output.trust_policy_json).Statement : jsonencode(s)] == [jsonencode({
      Action    = ["sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRole"]
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::123456789012:role/ci/runner" }
      Sid       = "ExecutionRole"
    })]
    error_message = "The trust is not the one statement that was meant: ${output.trust_policy_json}"
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role.this[0].assume_role_policy)) == jsonencode(jsondecode(output.trust_policy_json))
    error_message = "The role's trust is not the one that is given out."
  }

  assert {
    condition     = length(aws_iam_role_policy.targets) == 0 && length(aws_iam_role_policy.this) == 0 && length(aws_iam_role_policy_attachment.this) == 0 && output.policy_json == null
    error_message = "A role has rights that nobody gave it."
  }

  assert {
    condition     = aws_iam_role.this[0].name == "ci-job" && aws_iam_role.this[0].path == "/" && aws_iam_role.this[0].max_session_duration == 3600
    error_message = "The role's name, path or duration is not the one that was meant."
  }
}

run "may_assume_its_targets_and_nothing_else" {
  command = plan

  variables {
    target_role_arns = ["arn:aws:iam::444455556666:role/deploy", "arn:aws:iam::777788889999:role/ci/deploy", "arn:aws:iam::444455556666:role/deploy"]
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : jsonencode(s)] == [jsonencode({
      Action   = ["sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRole"]
      Effect   = "Allow"
      Resource = ["arn:aws:iam::777788889999:role/ci/deploy", "arn:aws:iam::444455556666:role/deploy"]
      Sid      = "AssumeTargetRoles"
    })]
    error_message = "The policy is not the one statement that was meant: ${output.policy_json}"
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role_policy.targets[0].policy)) == jsonencode(jsondecode(output.policy_json))
    error_message = "The role's policy is not the one that is given out."
  }
}

run "keeps_the_runner_token_from_jobs_whatever_else_they_may" {
  command = plan

  variables {
    token_arns  = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf", "arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/runner-token"]
    policy_arns = { admin = "arn:aws:iam::aws:policy/AdministratorAccess" }
  }

  assert {
    condition = jsonencode(jsondecode(output.token_policy_json).Statement[0]) == jsonencode({
      Action   = ["ssm:*", "secretsmanager:*"]
      Effect   = "Deny"
      Resource = ["arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/runner-token", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf"]
      Sid      = "KeepRunnerToken"
    })
    error_message = "The token is not denied: ${output.token_policy_json}"
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role_policy.token[0].policy)) == jsonencode(jsondecode(output.token_policy_json))
    error_message = "The role's policy is not the one that is given out."
  }
}

run "keeps_jobs_from_reading_a_token_with_its_folder" {
  command = plan

  variables {
    token_arns = ["arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/ci/token", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runlet/ci-AbCdEf"]
  }

  assert {
    condition = jsondecode(output.token_policy_json).Statement[1].Effect == "Deny" && jsondecode(output.token_policy_json).Statement[1].Action == "ssm:GetParametersByPath" && toset(jsondecode(output.token_policy_json).Statement[1].Resource) == toset([
      for folder in ["", "/", "/runlet", "/runlet/", "/runlet/ci", "/runlet/ci/"] : "arn:aws:ssm:eu-central-1:123456789012:parameter${folder}"
    ])
    error_message = "A folder above the token is not denied: ${output.token_policy_json}"
  }
}

run "denies_no_folder_for_a_secret" {
  command = plan

  variables {
    token_arns = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:runlet/ci-AbCdEf"]
  }

  assert {
    condition     = length(jsondecode(output.token_policy_json).Statement) == 1
    error_message = "More is denied than the secret: ${output.token_policy_json}"
  }
}

run "refuses_a_secret_without_its_random_characters" {
  command = plan

  variables {
    token_arns = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner"]
  }

  expect_failures = [var.token_arns]
}

run "refuses_a_wildcard_for_a_token" {
  command = plan

  variables {
    token_arns = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"]
  }

  expect_failures = [var.token_arns]
}

run "lets_nobody_set_an_identity_where_there_is_none" {
  command = plan

  variables {
    session_identity = false
    target_role_arns = ["arn:aws:iam::444455556666:role/deploy"]
  }

  assert {
    condition     = jsondecode(output.trust_policy_json).Statement[0].Action == "sts:AssumeRole" && jsondecode(output.policy_json).Statement[0].Action == "sts:AssumeRole"
    error_message = "A job could tag its own session: ${output.policy_json}"
  }
}

run "takes_every_option" {
  command = plan

  variables {
    path                     = "/ci/"
    description              = "Jobs"
    max_session_duration     = 7200
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    policy_arns              = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" }
    inline_policies          = { deploy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
    tags                     = { team = "platform" }
  }

  assert {
    condition     = aws_iam_role.this[0].path == "/ci/" && aws_iam_role.this[0].description == "Jobs" && aws_iam_role.this[0].max_session_duration == 7200 && aws_iam_role.this[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" && aws_iam_role.this[0].tags.team == "platform"
    error_message = "An option of the role is lost."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.this["read"].policy_arn == "arn:aws:iam::aws:policy/ReadOnlyAccess" && aws_iam_role_policy.this["deploy"].policy == "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
    error_message = "A further policy is lost."
  }
}

run "makes_nothing_when_told_so" {
  command = plan

  variables {
    create           = false
    token_arns       = ["arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/runner-token"]
    target_role_arns = ["arn:aws:iam::444455556666:role/deploy"]
  }

  assert {
    condition     = output.arn == null && output.name == null && output.unique_id == null && output.trust_policy_json == null && output.policy_json == null && output.token_policy_json == null
    error_message = "An output is not null."
  }
}

run "refuses_a_wildcard_for_the_execution_role" {
  command = plan

  variables {
    execution_role_arn = "arn:aws:iam::123456789012:role/*"
  }

  expect_failures = [var.execution_role_arn]
}

run "refuses_an_account_for_the_execution_role" {
  command = plan

  variables {
    execution_role_arn = "arn:aws:iam::123456789012:root"
  }

  expect_failures = [var.execution_role_arn]
}

run "refuses_a_session_for_the_execution_role" {
  command = plan

  variables {
    execution_role_arn = "arn:aws:sts::123456789012:assumed-role/runner/ci"
  }

  expect_failures = [var.execution_role_arn]
}

run "refuses_a_wildcard_for_a_target" {
  command = plan

  variables {
    target_role_arns = ["arn:aws:iam::*:role/deploy"]
  }

  expect_failures = [var.target_role_arns]
}

run "refuses_a_target_that_is_no_role" {
  command = plan

  variables {
    target_role_arns = ["arn:aws:iam::444455556666:user/deploy"]
  }

  expect_failures = [var.target_role_arns]
}

run "values" {
  module {
    source = "./tests/values"
  }
}

run "refuses_more_targets_than_a_policy_holds" {
  command = plan

  variables {
    target_role_arns = run.values.too_many_targets
  }

  expect_failures = [aws_iam_role_policy.targets[0]]
}

run "takes_as_many_targets_as_a_policy_holds" {
  command = plan

  variables {
    target_role_arns = run.values.many_targets
  }

  assert {
    condition     = length(jsondecode(output.policy_json).Statement[0].Resource) == 120
    error_message = "A target is lost: ${output.policy_json}"
  }
}

run "refuses_targets_that_leave_no_room_for_other_policies" {
  command = plan

  variables {
    target_role_arns = run.values.many_targets
    inline_policies  = { deploy = run.values.long_policy }
  }

  expect_failures = [aws_iam_role_policy.targets[0]]
}

run "takes_the_usual_tags_of_an_organisation" {
  command = plan

  providers = { aws = aws.usual }

  variables {
    tags = { environment = "staging", Protected = "true" }
  }

  assert {
    condition     = aws_iam_role.this[0].tags_all["project_id"] == "p-17" && aws_iam_role.this[0].tags_all["Protected"] == "true"
    error_message = "The role lost tags: ${jsonencode(aws_iam_role.this[0].tags_all)}"
  }
}

run "refuses_a_tag_that_would_pass_for_a_job_s" {
  command = plan

  variables {
    tags = { "Runlet:Project_ID" = "7" }
  }

  expect_failures = [var.tags]
}

run "refuses_a_default_tag_that_would_pass_for_a_job_s" {
  command = plan

  providers = { aws = aws.tagged }

  expect_failures = [aws_iam_role.this[0]]
}

run "refuses_an_inline_policy_named_as_its_own" {
  command = plan

  variables {
    inline_policies = { accounts = "{\"Statement\":[]}" }
  }

  expect_failures = [var.inline_policies]
}

run "refuses_an_arn_for_an_inline_policy" {
  command = plan

  variables {
    inline_policies = { deploy = "arn:aws:iam::123456789012:policy/deploy" }
  }

  expect_failures = [var.inline_policies]
}

run "refuses_a_policy_by_name" {
  command = plan

  variables {
    policy_arns = { read = "ReadOnlyAccess" }
  }

  expect_failures = [var.policy_arns]
}

run "refuses_a_boundary_by_name" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "refuses_a_duration_below_an_hour" {
  command = plan

  variables {
    max_session_duration = 900
  }

  expect_failures = [var.max_session_duration]
}

run "refuses_a_name_with_blanks" {
  command = plan

  variables {
    name = "ci job"
  }

  expect_failures = [var.name]
}

run "refuses_a_path_without_slashes" {
  command = plan

  variables {
    path = "ci"
  }

  expect_failures = [var.path]
}
