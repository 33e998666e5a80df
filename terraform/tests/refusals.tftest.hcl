# SPDX-License-Identifier: Apache-2.0

# Values that AWS or the bootstrap would refuse only when it is too late. In each run an input has one
# fault: OpenTofu names no other.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/ci" }
  }
}

variables {
  artifacts = "tests/artifacts"
  gitlab    = { url = "https://gitlab.example.com" }
  token     = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf" }
}

run "values" {
  module {
    source = "./tests/values"
  }
}

run "refuses_what_lambda_would_refuse" {
  command = plan

  variables {
    name                           = "my runner"
    description                    = run.values.long_description
    architecture                   = "riscv64"
    layers                         = ["bootstrap"]
    extra_layer_arns               = ["arn:aws:lambda:eu-central-1:123456789012:layer:tools"]
    memory_size                    = 100
    timeout                        = 901
    ephemeral_storage_size         = 500
    reserved_concurrent_executions = -2
    maximum_retry_attempts         = 3
    maximum_event_age_in_seconds   = 30
    tracing_mode                   = "On"
    log_retention_in_days          = 2
    application_log_level          = "LOUD"
    system_log_level               = "ERROR"
    vpc                            = { subnet_ids = [], security_group_ids = [] }
    environment_variables          = { "1" = "x" }
  }

  expect_failures = [
    var.name, var.description, var.architecture, var.layers, var.extra_layer_arns, var.memory_size, var.timeout,
    var.ephemeral_storage_size, var.reserved_concurrent_executions, var.maximum_retry_attempts,
    var.maximum_event_age_in_seconds, var.tracing_mode, var.log_retention_in_days, var.application_log_level,
    var.system_log_level, var.vpc, var.environment_variables,
  ]
}

run "refuses_what_is_no_arn_of_its_kind" {
  command = plan

  variables {
    token                    = { secret_arn = "runner-token" }
    kms_key_arn              = "alias/ci"
    log_kms_key_arn          = "alias/ci"
    dead_letter_kms_key_arn  = "alias/ci"
    dead_letter_target_arn   = "ci-dead"
    role_arn                 = "runner"
    role_policy_arns         = { read = "ReadOnlyAccess" }
    permissions_boundary_arn = "boundary"
    job_credentials          = { role_arn = "jobs" }
  }

  expect_failures = [
    var.token, var.kms_key_arn, var.log_kms_key_arn, var.dead_letter_kms_key_arn, var.dead_letter_target_arn,
    var.role_arn, var.role_policy_arns, var.permissions_boundary_arn, var.job_credentials,
  ]
}

run "refuses_a_secret_without_its_random_characters" {
  command = plan

  variables {
    token = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner" }
  }

  expect_failures = [var.token]
}

run "refuses_what_the_bootstrap_would_refuse" {
  command = plan

  variables {
    name_prefix  = "my runner"
    role_path    = "ci"
    artifacts    = "dist/"
    artifacts_s3 = { bucket = "s3://artifacts" }
    gitlab       = { url = "https://gitlab.example.com", extra_hosts = { "git lab" = ["10.0.0.7"] } }
    runner       = { name = "" }
  }

  expect_failures = [var.name_prefix, var.role_path, var.artifacts, var.artifacts_s3, var.gitlab, var.runner]
}

run "refuses_another_fault_of_these_inputs" {
  command = plan

  variables {
    layers                = ["a", "b", "c", "d", "e", "f"]
    environment_variables = { AWS_REGION = "eu-central-1" }
    token                 = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf", kms_key_arn = "alias/ci" }
    artifacts_s3          = { bucket = "artifacts", prefix = "/runlet" }
    runner                = { min_job_time = -1 }
  }

  expect_failures = [var.layers, var.environment_variables, var.token, var.artifacts_s3, var.runner]
}

run "refuses_an_empty_argument_of_the_runner" {
  command = plan

  variables {
    runner = { args = [""] }
  }

  expect_failures = [var.runner]
}

run "refuses_a_path_that_makes_no_exact_arn" {
  command = plan

  variables {
    role_path = "/ci/*/"
  }

  expect_failures = [var.role_path]
}

run "refuses_tags_that_would_pass_for_a_job_s" {
  command = plan

  variables {
    tags = { "Runlet:ref" = "main" }
  }

  expect_failures = [var.tags]
}
