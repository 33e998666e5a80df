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
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

variables {
  function_name = "ci"
  log_group_arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/ci"
  token         = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf" }
}

run "allows_its_own_log_and_its_own_secret_and_nothing_else" {
  command = plan

  assert {
    condition = jsondecode(output.policy_json).Statement == [
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
        Resource = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/ci:log-stream:*"
      },
      {
        Sid      = "ReadRunnerToken"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf"
      },
    ]
    error_message = "The policy is not the two statements that were meant: ${output.policy_json}"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement[0].Principal == { Service = "lambda.amazonaws.com" }
    error_message = "Somebody else than Lambda may assume the role."
  }

  assert {
    condition     = aws_iam_role.this[0].name == "ci"
    error_message = "The role is not named after its function."
  }
}

run "reads_a_parameter_by_its_name" {
  command = plan

  variables {
    token = { parameter_name = "/runlet/runner-token" }
  }

  assert {
    condition = contains(jsondecode(output.policy_json).Statement, {
      Sid      = "ReadRunnerToken"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = "arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/runner-token"
    })
    error_message = "The parameter may not be read: ${output.policy_json}"
  }
}

run "decrypts_only_through_the_service_that_keeps_the_token" {
  command = plan

  variables {
    token = {
      parameter_name = "arn:aws:ssm:eu-central-1:123456789012:parameter/token"
      kms_key_arn    = "arn:aws:kms:eu-central-1:123456789012:key/1"
    }
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/2"
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : jsonencode(s) if s.Sid == "DecryptRunnerToken"] == [jsonencode({
      Action = "kms:Decrypt"
      Condition = { StringEquals = {
        "kms:EncryptionContext:PARAMETER_ARN" = "arn:aws:ssm:eu-central-1:123456789012:parameter/token"
        "kms:ViaService"                      = "ssm.eu-central-1.amazonaws.com"
      } }
      Effect   = "Allow"
      Resource = "arn:aws:kms:eu-central-1:123456789012:key/1"
      Sid      = "DecryptRunnerToken"
    })]
    error_message = "The key of the token may be used otherwise: ${output.policy_json}"
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : jsonencode(s) if s.Sid == "DecryptEnvironment"] == [jsonencode({
      Action    = "kms:Decrypt"
      Condition = { StringEquals = { "kms:ViaService" = "lambda.eu-central-1.amazonaws.com" } }
      Effect    = "Allow"
      Resource  = "arn:aws:kms:eu-central-1:123456789012:key/2"
      Sid       = "DecryptEnvironment"
    })]
    error_message = "The key of the environment may be used otherwise: ${output.policy_json}"
  }
}

run "sends_to_a_queue" {
  command = plan

  variables {
    dead_letter_target_arn  = "arn:aws:sqs:eu-central-1:123456789012:dead"
    dead_letter_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/3"
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : "${s.Action} ${s.Resource}" if s.Sid == "SendToDeadLetterTarget"] == [
      "sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:dead",
    ]
    error_message = "The queue may not be sent to: ${output.policy_json}"
  }

  assert {
    condition     = [for s in jsondecode(output.policy_json).Statement : s.Condition.StringEquals["kms:ViaService"] if s.Sid == "EncryptForDeadLetterTarget"] == ["sqs.eu-central-1.amazonaws.com"]
    error_message = "The queue's key may be used otherwise: ${output.policy_json}"
  }
}

run "publishes_to_a_topic" {
  command = plan

  variables {
    dead_letter_target_arn = "arn:aws:sns:eu-central-1:123456789012:dead"
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : "${s.Action} ${s.Resource}" if s.Sid == "SendToDeadLetterTarget"] == [
      "sns:Publish arn:aws:sns:eu-central-1:123456789012:dead",
    ]
    error_message = "The topic may not be published to: ${output.policy_json}"
  }
}

run "gives_lambda_the_interfaces_and_denies_them_to_the_code" {
  command = plan

  variables {
    vpc_access = true
  }

  assert {
    condition     = [for s in jsondecode(output.policy_json).Statement : s.Resource if s.Sid == "ManageInterfaces"] == ["arn:aws:ec2:eu-central-1:123456789012:*/*"]
    error_message = "The interfaces are not limited to this account and region: ${output.policy_json}"
  }

  assert {
    condition = toset([for s in jsondecode(output.policy_json).Statement : s.Condition.ArnLike["lambda:SourceFunctionArn"] if s.Sid == "KeepInterfacesFromCode" && s.Effect == "Deny"][0]) == toset([
      "arn:aws:lambda:eu-central-1:123456789012:function:ci",
      "arn:aws:lambda:eu-central-1:123456789012:function:ci:*",
    ])
    error_message = "The function's code may manage interfaces: ${output.policy_json}"
  }
}

run "names_every_action" {
  command = plan

  variables {
    vpc_access             = true
    tracing                = true
    kms_key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/2"
    dead_letter_target_arn = "arn:aws:sqs:eu-central-1:123456789012:dead"
  }

  assert {
    condition     = !strcontains(join(" ", flatten([for s in jsondecode(output.policy_json).Statement : s.Action])), "*")
    error_message = "An action has a wildcard: ${output.policy_json}"
  }

  assert {
    condition     = toset([for s in jsondecode(output.policy_json).Statement : s.Sid if s.Effect == "Allow" && s.Resource == "*"]) == toset(["DescribeInterfaces", "WriteTraces"])
    error_message = "Another statement stands on all resources: ${output.policy_json}"
  }
}

run "takes_prefix_path_boundary_and_further_policies" {
  command = plan

  variables {
    name_prefix              = "ci-"
    path                     = "/ci/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    policy_arns              = { deploy = "arn:aws:iam::123456789012:policy/deploy" }
  }

  assert {
    condition = (
      aws_iam_role.this[0].name_prefix == "ci-" &&
      aws_iam_role.this[0].path == "/ci/" &&
      aws_iam_role.this[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" &&
      aws_iam_role_policy_attachment.this["deploy"].policy_arn == "arn:aws:iam::123456789012:policy/deploy"
    )
    error_message = "An option is not passed on."
  }
}

run "makes_nothing_when_told_so" {
  command = plan

  variables {
    create = false
  }

  assert {
    condition     = output.arn == null && output.name == null && output.unique_id == null && output.policy_json == null
    error_message = "An output is not null."
  }
}

run "refuses_two_places_of_the_token" {
  command = plan

  variables {
    token = {
      secret_arn     = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf"
      parameter_name = "/runlet/runner-token"
    }
  }

  expect_failures = [var.token]
}

run "refuses_no_place_of_the_token" {
  command = plan

  variables {
    token = {}
  }

  expect_failures = [var.token]
}

run "refuses_every_secret_at_once" {
  command = plan

  variables {
    token = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*" }
  }

  expect_failures = [var.token]
}

run "refuses_a_secret_without_its_random_characters" {
  command = plan

  variables {
    token = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner" }
  }

  expect_failures = [var.token]
}

run "refuses_every_log_group_at_once" {
  command = plan

  variables {
    log_group_arn = "arn:aws:logs:eu-central-1:123456789012:log-group:*"
  }

  expect_failures = [var.log_group_arn]
}

run "assumes_its_job_role_and_reads_its_accounts_and_nothing_else" {
  command = plan

  variables {
    job_role_arn            = "arn:aws:iam::123456789012:role/ci/ci-job"
    accounts_parameter_name = "/runlet/ci/accounts"
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : jsonencode(s) if !contains(["WriteLogs", "ReadRunnerToken"], s.Sid)] == [
      jsonencode({
        Action   = ["sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRole"]
        Effect   = "Allow"
        Resource = "arn:aws:iam::123456789012:role/ci/ci-job"
        Sid      = "AssumeJobRole"
      }),
    ]
    error_message = "The policy is not what was meant: ${output.policy_json}"
  }

  assert {
    condition = [for s in jsondecode(output.accounts_policy_json).Statement : jsonencode(s)] == [
      jsonencode({
        Action   = "ssm:GetParameter"
        Effect   = "Allow"
        Resource = "arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/ci/accounts"
        Sid      = "ReadAccounts"
      }),
    ]
    error_message = "The policy is not what was meant: ${output.accounts_policy_json}"
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role_policy.accounts[0].policy)) == jsonencode(jsondecode(output.accounts_policy_json))
    error_message = "The role's policy is not the one that is given out."
  }
}

run "reads_one_mirror_and_decrypts_it_through_s3_alone" {
  command = plan

  variables {
    provider_mirror = { bucket = "artifacts", key = "mirror/providers.zip", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/4" }
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : jsonencode(s) if !contains(["WriteLogs", "ReadRunnerToken"], s.Sid)] == [
      jsonencode({
        Action   = "s3:GetObject"
        Effect   = "Allow"
        Resource = "arn:aws:s3:::artifacts/mirror/providers.zip"
        Sid      = "ReadProviderMirror"
      }),
      jsonencode({
        Action = "kms:Decrypt"
        Condition = { StringEquals = {
          "kms:EncryptionContext:aws:s3:arn" = ["arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/mirror/providers.zip"]
          "kms:ViaService"                   = "s3.eu-central-1.amazonaws.com"
        } }
        Effect   = "Allow"
        Resource = "arn:aws:kms:eu-central-1:123456789012:key/4"
        Sid      = "DecryptProviderMirror"
      }),
    ]
    error_message = "The policy is not what was meant: ${output.policy_json}"
  }
}

run "mounts_a_file_system_for_reading_alone" {
  command = plan

  variables {
    file_system_access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0"
  }

  assert {
    condition = [for s in jsondecode(output.policy_json).Statement : jsonencode(s) if !contains(["WriteLogs", "ReadRunnerToken"], s.Sid)] == [jsonencode({
      Action    = "elasticfilesystem:ClientMount"
      Condition = { StringEquals = { "elasticfilesystem:AccessPointArn" = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0" } }
      Effect    = "Allow"
      Resource  = "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/*"
      Sid       = "MountFileSystem"
    })]
    error_message = "The policy is not what was meant: ${output.policy_json}"
  }
}

run "refuses_a_wildcard_for_the_job_role" {
  command = plan

  variables {
    job_role_arn = "arn:aws:iam::123456789012:role/*"
  }

  expect_failures = [var.job_role_arn]
}

run "refuses_a_wildcard_for_the_parameter" {
  command = plan

  variables {
    accounts_parameter_name = "/runlet/*"
  }

  expect_failures = [var.accounts_parameter_name]
}

run "refuses_a_wildcard_for_the_mirror" {
  command = plan

  variables {
    provider_mirror = { bucket = "artifacts", key = "*" }
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_an_alias_for_the_key_of_the_mirror" {
  command = plan

  variables {
    provider_mirror = { bucket = "artifacts", key = "p.zip", kms_key_arn = "alias/ci" }
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_a_file_system_for_an_access_point" {
  command = plan

  variables {
    file_system_access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/fs-0123456789abcdef0"
  }

  expect_failures = [var.file_system_access_point_arn]
}
