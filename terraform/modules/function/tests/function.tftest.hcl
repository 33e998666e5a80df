# SPDX-License-Identifier: Apache-2.0

mock_provider "aws" {}

variables {
  name     = "ci"
  role_arn = "arn:aws:iam::123456789012:role/ci"
  package = {
    path             = "dist/x86_64/bootstrap.zip"
    source_code_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
  }
}

run "has_the_defaults_of_a_ci_job" {
  command = plan

  assert {
    condition     = aws_lambda_function.this[0].handler == "run" && aws_lambda_function.this[0].runtime == "provided.al2023"
    error_message = "Handler or runtime are not those of the bootstrap."
  }

  assert {
    condition     = aws_lambda_function.this[0].publish
    error_message = "No version is published."
  }

  assert {
    condition     = aws_lambda_function.this[0].reserved_concurrent_executions == -1
    error_message = "Concurrency is reserved unasked."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this[0].name == "/aws/lambda/ci" && aws_cloudwatch_log_group.this[0].retention_in_days == 30
    error_message = "The log group or its retention is wrong."
  }

  assert {
    condition     = aws_lambda_function.this[0].logging_config[0].log_format == "JSON" && aws_lambda_function.this[0].logging_config[0].application_log_level == "INFO"
    error_message = "The log is not JSON from INFO on."
  }

  assert {
    condition     = aws_lambda_alias.this[0].name == "live"
    error_message = "The alias is not called live."
  }
}

run "never_repeats_an_event_neither_of_the_function_nor_of_the_alias" {
  command = plan

  assert {
    condition     = toset(keys(aws_lambda_function_event_invoke_config.this)) == toset(["$LATEST", "live"])
    error_message = "A qualifier has no settings for its events."
  }

  assert {
    condition     = alltrue([for c in aws_lambda_function_event_invoke_config.this : c.maximum_retry_attempts == 0])
    error_message = "An event would be repeated."
  }
}

run "passes_every_option_on" {
  command = plan

  variables {
    architecture                   = "arm64"
    memory_size                    = 3008
    timeout                        = 600
    ephemeral_storage_size         = 4096
    reserved_concurrent_executions = 3
    maximum_retry_attempts         = 1
    maximum_event_age_in_seconds   = 3600
    dead_letter_target_arn         = "arn:aws:sqs:eu-central-1:123456789012:dead"
    kms_key_arn                    = "arn:aws:kms:eu-central-1:123456789012:key/1"
    log_kms_key_arn                = "arn:aws:kms:eu-central-1:123456789012:key/2"
    log_retention_in_days          = 365
    tracing_mode                   = "Active"
    code_signing_config_arn        = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-0f6c334abcdea4d8b"
    vpc                            = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    environment_variables          = { CI_SERVER_URL = "https://gitlab.example.com" }
    layer_arns                     = ["arn:aws:lambda:eu-central-1:123456789012:layer:git:1"]
    tags                           = { team = "ci" }
  }

  assert {
    condition = (
      aws_lambda_function.this[0].architectures[0] == "arm64" &&
      aws_lambda_function.this[0].memory_size == 3008 &&
      aws_lambda_function.this[0].timeout == 600 &&
      aws_lambda_function.this[0].ephemeral_storage[0].size == 4096 &&
      aws_lambda_function.this[0].reserved_concurrent_executions == 3
    )
    error_message = "A size or limit is not passed on."
  }

  assert {
    condition = (
      aws_lambda_function.this[0].dead_letter_config[0].target_arn == "arn:aws:sqs:eu-central-1:123456789012:dead" &&
      aws_lambda_function.this[0].kms_key_arn == "arn:aws:kms:eu-central-1:123456789012:key/1" &&
      aws_cloudwatch_log_group.this[0].kms_key_id == "arn:aws:kms:eu-central-1:123456789012:key/2" &&
      aws_lambda_function.this[0].tracing_config[0].mode == "Active" &&
      aws_lambda_function.this[0].vpc_config[0].security_group_ids == toset(["sg-1"])
    )
    error_message = "An option is not passed on."
  }

  assert {
    condition = alltrue([
      for c in aws_lambda_function_event_invoke_config.this :
      c.maximum_retry_attempts == 1 && c.maximum_event_age_in_seconds == 3600
    ])
    error_message = "The settings of events are not passed on."
  }
}

run "counts_bytes_and_not_characters_of_the_environment" {
  command = plan

  variables {
    environment_variables = { NAME = "<&> caf\u00e9" }
  }

  assert {
    # {"NAME":"<&> café"}
    condition     = output.environment_size == 20
    error_message = "The environment is not measured as Lambda does."
  }
}

run "texts" {
  module {
    source = "./tests/texts"
  }
}

run "takes_an_environment_of_4096_bytes" {
  command = plan

  variables {
    environment_variables = { LONG = run.texts.fits }
  }

  assert {
    condition     = output.environment_size == 4096
    error_message = "The environment is not measured as Lambda does."
  }
}

run "refuses_an_environment_of_4097_bytes" {
  command = plan

  variables {
    environment_variables = { LONG = run.texts.too_long }
  }

  expect_failures = [aws_lambda_function.this[0]]
}

run "makes_nothing_when_told_so" {
  command = plan

  variables {
    create = false
  }

  assert {
    condition     = output.arn == null && output.name == null && output.alias_arn == null && output.log_group_arn == null && output.version == null && output.environment_size == null
    error_message = "An output is not null."
  }

  assert {
    condition     = length(aws_lambda_function_event_invoke_config.this) == 0 && length(aws_cloudwatch_log_group.this) == 0
    error_message = "Something is made."
  }
}

run "refuses_six_layers" {
  command = plan

  variables {
    layer_arns = [
      "arn:aws:lambda:eu-central-1:123456789012:layer:l0:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l1:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l2:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l3:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l4:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l5:1",
    ]
  }

  expect_failures = [var.layer_arns]
}

run "refuses_sizes_that_lambda_does_not_have" {
  command = plan

  variables {
    timeout                      = 901
    memory_size                  = 127
    ephemeral_storage_size       = 10241
    maximum_retry_attempts       = 3
    maximum_event_age_in_seconds = 59
    log_retention_in_days        = 42
  }

  expect_failures = [
    var.timeout, var.memory_size, var.ephemeral_storage_size, var.maximum_retry_attempts,
    var.maximum_event_age_in_seconds, var.log_retention_in_days,
  ]
}

run "refuses_names_that_lambda_sets_itself" {
  command = plan

  variables {
    environment_variables = { AWS_LAMBDA_LOG_LEVEL = "DEBUG" }
  }

  expect_failures = [var.environment_variables]
}

run "refuses_what_is_no_target_for_dead_letters" {
  command = plan

  variables {
    dead_letter_target_arn = "arn:aws:s3:::bucket"
    vpc                    = { subnet_ids = [], security_group_ids = ["sg-1"] }
    architecture           = "x86"
    alias                  = "7"
  }

  expect_failures = [var.dead_letter_target_arn, var.vpc, var.architecture, var.alias]
}

run "mounts_a_file_system" {
  command = plan

  variables {
    vpc         = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    file_system = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0", local_mount_path = "/mnt/providers" }
  }

  assert {
    condition     = aws_lambda_function.this[0].file_system_config[0].arn == "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0" && aws_lambda_function.this[0].file_system_config[0].local_mount_path == "/mnt/providers"
    error_message = "The access point is not mounted where it was told."
  }
}

run "refuses_a_file_system_without_a_network" {
  command = plan

  variables {
    file_system = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0", local_mount_path = "/mnt/providers" }
  }

  expect_failures = [aws_lambda_function.this[0]]
}

run "refuses_a_mount_outside_of_mnt" {
  command = plan

  variables {
    vpc         = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    file_system = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0", local_mount_path = "/opt/providers" }
  }

  expect_failures = [var.file_system]
}

run "refuses_a_file_system_by_its_own_arn" {
  command = plan

  variables {
    vpc         = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    file_system = { access_point_arn = "arn:aws:elasticfilesystem:eu-central-1:123456789012:file-system/fs-1", local_mount_path = "/mnt/providers" }
  }

  expect_failures = [var.file_system]
}
