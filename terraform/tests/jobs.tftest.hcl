# SPDX-License-Identifier: Apache-2.0

# What jobs may do in AWS: job role, accounts, mirror of providers.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/ci/runner" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/ci" }
  }
}

variables {
  name      = "ci"
  artifacts = "tests/artifacts"
  layers    = []
  gitlab    = { url = "https://gitlab.example.com" }
  token     = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf" }
}

run "gives_jobs_a_role_that_is_made" {
  command = plan

  variables {
    create_job_role = true
    role_path       = "/ci/"
    tags            = { Environment = "prod", team = "ci" }
    job_role        = { policy_arns = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" } }
    accounts = {
      prod    = { role_arn = "arn:aws:iam::444455556666:role/deploy", external_id = "runlet-prod", region = "eu-west-1", duration_seconds = 1800, session_name = "AWSAFT-Session" }
      staging = { role_arn = "arn:aws:iam::444455556666:role/deploy" }
      dev     = { role_arn = "arn:aws:iam::777788889999:role/ci#1/deploy", id_token = "AWS_ID_TOKEN" }
    }
    id_token_audience = "https://runlet.example.com"
  }

  assert {
    condition = local.settings == tomap({
      CI_SERVER_URL             = "https://gitlab.example.com"
      RUNLET_TOKEN_SECRET_ARN   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf"
      RUNLET_JOB_CREDENTIALS    = "role"
      RUNLET_JOB_ROLE_ARN       = "arn:aws:iam::123456789012:role/ci/ci-job"
      RUNLET_ACCOUNTS_PARAMETER = "/runlet/ci/accounts"
      RUNLET_ID_TOKEN_AUDIENCE  = "https://runlet.example.com"
    })
    error_message = "A setting is missing or wrong: ${jsonencode(local.settings)}"
  }

  assert {
    condition = jsondecode(aws_ssm_parameter.accounts[0].insecure_value) == {
      prod    = { role_arn = "arn:aws:iam::444455556666:role/deploy", external_id = "runlet-prod", region = "eu-west-1", duration_seconds = 1800, session_name = "AWSAFT-Session" }
      staging = { role_arn = "arn:aws:iam::444455556666:role/deploy" }
      dev     = { role_arn = "arn:aws:iam::777788889999:role/ci#1/deploy", id_token = "AWS_ID_TOKEN" }
    }
    error_message = "The parameter does not hold the accounts as they were given: ${aws_ssm_parameter.accounts[0].insecure_value}"
  }

  assert {
    condition     = aws_ssm_parameter.accounts[0].type == "String" && aws_ssm_parameter.accounts[0].tier == "Standard" && output.accounts_parameter_name == "/runlet/ci/accounts"
    error_message = "The parameter is not a small String of that name."
  }

  assert {
    condition     = output.job_role_name == "ci-job" && join(" ", output.account_names) == "dev prod staging"
    error_message = "The outputs do not name the job role and the profiles."
  }
}

run "values" {
  module {
    source = "./tests/values"
  }
}

run "takes_a_larger_parameter_for_many_accounts" {
  command = plan

  variables {
    create_job_role = true
    accounts        = run.values.accounts
  }

  assert {
    condition     = aws_ssm_parameter.accounts[0].tier == "Advanced"
    error_message = "More than 4 KB need the advanced tier."
  }
}

run "refuses_more_accounts_than_a_parameter_holds" {
  command = plan

  variables {
    create_job_role = true
    accounts        = run.values.too_many_accounts
  }

  expect_failures = [aws_ssm_parameter.accounts[0]]
}

run "gives_jobs_a_role_of_the_caller" {
  command = plan

  variables {
    job_credentials      = { mode = "role", role_arn = "arn:aws:iam::123456789012:role/path/jobs" }
    job_session_identity = false
  }

  assert {
    condition     = local.settings.RUNLET_JOB_CREDENTIALS == "role" && local.settings.RUNLET_JOB_ROLE_ARN == "arn:aws:iam::123456789012:role/path/jobs" && local.settings.RUNLET_JOB_SESSION_IDENTITY == "false"
    error_message = "The settings do not name the role: ${jsonencode(local.settings)}"
  }

  assert {
    condition     = output.job_role_arn == "arn:aws:iam::123456789012:role/path/jobs" && output.job_role_name == "jobs" && output.accounts_parameter_name == null
    error_message = "The outputs are not those of the role that was given."
  }
}

run "keeps_the_token_from_the_job_role" {
  command = plan

  variables {
    create_job_role = true
  }

  assert {
    condition     = local.token_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf"
    error_message = "The secret is not the one that is denied."
  }
}

run "keeps_a_token_by_its_parameter_from_the_job_role" {
  command = plan

  variables {
    token           = { parameter_name = "/runlet/runner-token" }
    create_job_role = true
  }

  assert {
    condition     = local.token_arn == "arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/runner-token"
    error_message = "The parameter is not the one that is denied: ${local.token_arn}"
  }
}

run "gives_no_role_unasked" {
  command = plan

  assert {
    condition     = output.job_role_arn == null && output.job_role_name == null && !contains(keys(local.settings), "RUNLET_JOB_CREDENTIALS") && length(aws_ssm_parameter.accounts) == 0
    error_message = "A job gets a role that nobody asked for."
  }
}

run "reaches_accounts_by_an_id_token_without_a_job_role" {
  command = plan

  variables {
    accounts = { dev = { role_arn = "arn:aws:iam::777788889999:role/deploy", id_token = "AWS_ID_TOKEN", duration_seconds = 7200 } }
  }

  assert {
    condition     = local.settings.RUNLET_ACCOUNTS_PARAMETER == "/runlet/ci/accounts" && !contains(keys(local.settings), "RUNLET_JOB_ROLE_ARN")
    error_message = "The settings are not those of accounts alone: ${jsonencode(local.settings)}"
  }
}

run "takes_providers_from_s3" {
  command = plan

  variables {
    ephemeral_storage_size = 2048
    provider_mirror        = { s3 = { bucket = "artifacts", key = "mirror/providers.zip", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" } }
  }

  assert {
    condition     = local.settings.RUNLET_PROVIDER_MIRROR == "s3://artifacts/mirror/providers.zip" && local.settings.RUNLET_PROVIDER_MIRROR_SHA256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    error_message = "The settings do not name the zip: ${jsonencode(local.settings)}"
  }
}

run "takes_providers_from_a_file_system" {
  command = plan

  variables {
    vpc             = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    file_system     = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0", local_mount_path = "/mnt/providers" }
    provider_mirror = { path = "/mnt/providers/mirror" }
  }

  assert {
    condition     = local.settings.RUNLET_PROVIDER_MIRROR == "/mnt/providers/mirror" && !contains(keys(local.settings), "RUNLET_PROVIDER_MIRROR_SHA256")
    error_message = "The settings do not name the folder: ${jsonencode(local.settings)}"
  }
}

run "takes_roles_that_are_made_beside_it" {
  module {
    source = "./tests/later"
  }

  assert {
    condition     = output.role_arns == ["arn:aws:iam::123456789012:role/execution", "arn:aws:iam::123456789012:role/job"]
    error_message = "The runner works with other roles: ${jsonencode(output.role_arns)}"
  }
}

run "refuses_no_execution_role_at_all" {
  command = plan

  variables {
    create_role = false
  }

  expect_failures = [output.function_arn]
}

run "refuses_two_execution_roles" {
  command = plan

  variables {
    create_role = true
    role_arn    = "arn:aws:iam::123456789012:role/mine"
  }

  expect_failures = [output.function_arn]
}

run "refuses_mode_role_without_a_role" {
  command = plan

  variables {
    job_credentials = { mode = "role" }
  }

  expect_failures = [output.function_arn]
}

run "refuses_two_job_roles" {
  command = plan

  variables {
    create_job_role = true
    job_credentials = { role_arn = "arn:aws:iam::123456789012:role/jobs" }
  }

  expect_failures = [output.function_arn]
}

run "refuses_a_job_role_that_no_job_gets" {
  command = plan

  variables {
    create_job_role = true
    job_credentials = { mode = "none" }
  }

  expect_failures = [output.function_arn]
}

run "refuses_the_execution_role_as_job_role" {
  command = plan

  variables {
    role_arn        = "arn:aws:iam::123456789012:role/mine"
    job_credentials = { role_arn = "arn:aws:iam::123456789012:role/mine" }
  }

  expect_failures = [output.function_arn]
}

run "refuses_accounts_beside_inherited_keys" {
  command = plan

  variables {
    job_credentials = { mode = "inherit" }
    accounts        = { dev = { role_arn = "arn:aws:iam::777788889999:role/deploy", id_token = "AWS_ID_TOKEN" } }
  }

  expect_failures = [output.function_arn]
}

run "refuses_accounts_without_a_way_to_them" {
  command = plan

  variables {
    accounts = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy" } }
  }

  expect_failures = [output.function_arn]
}

run "refuses_an_audience_without_tags" {
  command = plan

  variables {
    create_job_role      = true
    job_session_identity = false
    id_token_audience    = "https://runlet.example.com"
  }

  expect_failures = [output.function_arn]
}

run "refuses_a_mirror_that_does_not_fit" {
  command = plan

  variables {
    provider_mirror = { s3 = { bucket = "artifacts", key = "mirror/providers.zip", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" } }
  }

  expect_failures = [output.function_arn]
}

run "refuses_a_mirror_on_a_mount_that_is_not_there" {
  command = plan

  variables {
    provider_mirror = { path = "/mnt/providers" }
  }

  expect_failures = [output.function_arn]
}

run "refuses_two_mirrors" {
  command = plan

  variables {
    provider_mirror = {
      path = "/opt/providers"
      s3   = { bucket = "artifacts", key = "mirror/providers.zip", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
    }
    ephemeral_storage_size = 2048
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_a_hash_in_base64" {
  command = plan

  variables {
    ephemeral_storage_size = 2048
    provider_mirror        = { s3 = { bucket = "artifacts", key = "providers.zip", sha256 = "JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE=" } }
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_a_wildcard_in_the_key_of_a_mirror" {
  command = plan

  variables {
    ephemeral_storage_size = 2048
    provider_mirror        = { s3 = { bucket = "artifacts", key = "mirror/*", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" } }
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_an_alias_for_the_key_of_a_mirror" {
  command = plan

  variables {
    ephemeral_storage_size = 2048
    provider_mirror        = { s3 = { bucket = "artifacts", key = "providers.zip", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/ci" } }
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_a_relative_folder_of_providers" {
  command = plan

  variables {
    provider_mirror = { path = "mnt/../providers" }
  }

  expect_failures = [var.provider_mirror]
}

run "refuses_a_file_system_by_its_own_arn" {
  command = plan

  variables {
    vpc         = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    file_system = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/fs-0123456789abcdef0", local_mount_path = "/mnt/providers" }
  }

  expect_failures = [var.file_system]
}

run "refuses_a_mount_elsewhere" {
  command = plan

  variables {
    vpc         = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    file_system = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0", local_mount_path = "/opt/providers" }
  }

  expect_failures = [var.file_system]
}

run "refuses_rights_of_a_job_role_that_is_not_made" {
  command = plan

  variables {
    job_role = { policy_arns = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" } }
  }

  expect_failures = [output.function_arn]
}

run "refuses_a_bad_name_of_a_job_role" {
  command = plan

  variables {
    create_job_role = true
    job_role        = { name = "a job role" }
  }

  expect_failures = [var.job_role]
}

run "refuses_a_profile_called_default" {
  command = plan

  variables {
    create_job_role = true
    accounts        = { default = { role_arn = "arn:aws:iam::444455556666:role/deploy" } }
  }

  expect_failures = [var.accounts]
}

run "refuses_a_wildcard_for_a_target_role" {
  command = plan

  variables {
    create_job_role = true
    accounts        = { prod = { role_arn = "arn:aws:iam::444455556666:role/*" } }
  }

  expect_failures = [var.accounts]
}

run "refuses_an_external_id_with_an_id_token" {
  command = plan

  variables {
    accounts = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy", external_id = "runlet", id_token = "AWS_ID_TOKEN" } }
  }

  expect_failures = [var.accounts]
}

run "refuses_an_external_id_with_blanks" {
  command = plan

  variables {
    create_job_role = true
    accounts        = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy", external_id = "runlet prod" } }
  }

  expect_failures = [var.accounts]
}

run "takes_accounts_of_every_partition" {
  command = plan

  variables {
    create_job_role = true
    accounts = {
      sovereign  = { role_arn = "arn:aws-eusc:iam::444455556666:role/deploy", region = "eusc-de-east-1" }
      government = { role_arn = "arn:aws-us-gov:iam::444455556666:role/deploy", region = "us-gov-west-1" }
      china      = { role_arn = "arn:aws-cn:iam::444455556666:role/deploy", region = "cn-north-1" }
      isolated   = { role_arn = "arn:aws-iso-b:iam::444455556666:role/deploy", region = "us-isob-east-1" }
    }
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.accounts[0].insecure_value).sovereign.region == "eusc-de-east-1"
    error_message = "A region is lost: ${aws_ssm_parameter.accounts[0].insecure_value}"
  }
}

run "refuses_a_region_that_is_none" {
  command = plan

  variables {
    create_job_role = true
    accounts        = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy", region = "Frankfurt" } }
  }

  expect_failures = [var.accounts]
}

run "refuses_a_chained_session_over_an_hour" {
  command = plan

  variables {
    create_job_role = true
    accounts        = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy", duration_seconds = 7200 } }
  }

  expect_failures = [var.accounts]
}

run "refuses_a_session_name_with_a_slash" {
  command = plan

  variables {
    create_job_role = true
    accounts        = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy", session_name = "group/app" } }
  }

  expect_failures = [var.accounts]
}

run "refuses_a_token_in_place_of_its_variable" {
  command = plan

  variables {
    accounts = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy", id_token = "eyJhbGciOi.J9" } }
  }

  expect_failures = [var.accounts]
}

run "refuses_an_audience_with_blanks" {
  command = plan

  variables {
    create_job_role   = true
    id_token_audience = "two words"
  }

  expect_failures = [var.id_token_audience]
}
