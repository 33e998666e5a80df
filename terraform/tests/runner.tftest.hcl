# SPDX-License-Identifier: Apache-2.0

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/ci" }
  }

  mock_resource "aws_lambda_layer_version" {
    defaults = {
      arn     = "arn:aws:lambda:eu-central-1:123456789012:layer:mock:1"
      version = "1"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/ci" }
  }
}

variables {
  name      = "ci"
  artifacts = "tests/artifacts"
  gitlab    = { url = "https://gitlab.example.com" }
  token     = { secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf" }
}

run "makes_a_runner_of_the_smallest_input" {
  command = plan

  assert {
    condition     = module.function.name == "ci" && output.function_name == "ci" && output.alias_name == "live"
    error_message = "The function or its alias is not named as told."
  }

  assert {
    condition     = toset(keys(output.layer_arns)) == toset(["gitlab-runner", "git"])
    error_message = "The layers are not gitlab-runner and git."
  }

  assert {
    condition     = module.layer["git"].name == "ci-git" && module.layer["git"].source_code_hash == "JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE="
    error_message = "A layer does not have the name and hash of its artifact."
  }

  assert {
    condition     = local.packages["bootstrap"].path == "tests/artifacts/x86_64/bootstrap.zip"
    error_message = "The bootstrap is not taken from the folder."
  }

  assert {
    condition = local.settings == tomap({
      CI_SERVER_URL           = "https://gitlab.example.com"
      RUNLET_TOKEN_SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf"
    })
    error_message = "The environment holds more or less than what was given."
  }
}

run "writes_every_setting_of_the_bootstrap" {
  command = plan

  variables {
    gitlab = {
      url         = "https://gitlab.example.com"
      tls_ca_file = "/opt/gitlab-ca.pem"
      extra_hosts = { "gitlab.example.com" = ["10.0.0.7", "fd00::7"] }
    }
    token = { parameter_name = "/runlet/runner-token" }
    runner = {
      name              = "lambda"
      wait_timeout      = 20
      max_jobs          = 3
      deadline_margin   = 8
      min_job_time      = 0
      args              = ["--output-limit", "16384"]
      fresh_environment = true
    }
    job_credentials = { mode = "inherit" }
  }

  assert {
    condition = local.settings == tomap({
      CI_SERVER_URL            = "https://gitlab.example.com"
      CI_SERVER_TLS_CA_FILE    = "/opt/gitlab-ca.pem"
      RUNNER_NAME              = "lambda"
      RUNLET_TOKEN_PARAMETER   = "/runlet/runner-token"
      RUNLET_WAIT_TIMEOUT      = "20"
      RUNLET_MAX_JOBS          = "3"
      RUNLET_DEADLINE_MARGIN   = "8"
      RUNLET_MIN_JOB_TIME      = "0"
      RUNLET_RUNNER_ARGS       = "[\"--output-limit\",\"16384\"]"
      RUNLET_EXTRA_HOSTS       = "{\"gitlab.example.com\":[\"10.0.0.7\",\"fd00::7\"]}"
      RUNLET_FRESH_ENVIRONMENT = "true"
      RUNLET_JOB_CREDENTIALS   = "inherit"
    })
    error_message = "A setting is missing or wrong: ${jsonencode(local.settings)}"
  }
}

run "takes_artifacts_from_s3_by_their_hash" {
  command = plan

  variables {
    artifacts_s3 = { bucket = "artifacts" }
    layers       = ["gitlab-runner"]
  }

  assert {
    condition     = local.packages["gitlab-runner"].s3_key == "runlet/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/gitlab-runner-layer.zip" && local.packages["gitlab-runner"].path == null
    error_message = "The key in S3 does not hold the hash."
  }
}

run "chooses_artifacts_by_architecture" {
  command = plan

  variables {
    architecture = "arm64"
    layers       = []
  }

  assert {
    condition     = local.packages["bootstrap"].path == "tests/artifacts/arm64/bootstrap.zip"
    error_message = "The bootstrap is of another architecture."
  }
}

run "reads_a_manifest_of_one_architecture_and_one_artifact" {
  command = plan

  variables {
    artifacts = "tests/artifacts/one-architecture"
    layers    = []
  }

  assert {
    condition     = local.packages["bootstrap"].path == "tests/artifacts/one-architecture/x86_64/bootstrap.zip"
    error_message = "The bootstrap is not found."
  }
}

run "takes_a_role_of_the_caller" {
  command = plan

  variables {
    role_arn = "arn:aws:iam::123456789012:role/path/mine"
  }

  assert {
    condition     = module.execution_role.arn == null && output.role_arn == "arn:aws:iam::123456789012:role/path/mine" && output.role_name == "mine"
    error_message = "A role is made beside the one that was given."
  }
}

run "makes_nothing_when_told_so" {
  command = plan

  variables {
    create          = false
    artifacts       = "not/there"
    create_job_role = true
    accounts        = { prod = { role_arn = "arn:aws:iam::444455556666:role/deploy" } }
  }

  assert {
    condition = (
      output.function_arn == null && output.function_name == null && output.function_version == null &&
      output.alias_arn == null && output.alias_name == null && output.log_group_arn == null &&
      output.log_group_name == null && output.role_arn == null && output.role_name == null &&
      length(output.layer_arns) == 0 && length(output.artifact_hashes) == 0 && output.job_role_arn == null &&
      output.job_role_name == null && output.accounts_parameter_name == null && length(output.account_names) == 0
    )
    error_message = "An output is not null or empty."
  }
}

run "completes_a_prefix" {
  command = apply

  variables {
    name_prefix = "ci-"
    layers      = []
    role_arn    = "arn:aws:iam::123456789012:role/mine"
  }

  assert {
    condition     = can(regex("^ci-[0-9a-f]{8}$", output.function_name))
    error_message = "The name is not the prefix and eight characters: ${output.function_name}"
  }
}

run "says_how_to_make_artifacts_that_are_missing" {
  command = plan

  variables {
    artifacts = "not/there"
  }

  expect_failures = [output.function_arn]
}

run "says_which_architecture_was_not_built" {
  command = plan

  variables {
    architecture = "arm64"
  }

  expect_failures = [output.function_arn]
}

run "refuses_a_direct_upload_that_is_too_large" {
  command = plan

  variables {
    layers = ["huge"]
  }

  expect_failures = [output.function_arn]
}

run "refuses_more_than_a_function_unpacks" {
  command = plan

  variables {
    layers       = ["gitlab-runner", "huge"]
    artifacts_s3 = { bucket = "artifacts" }
  }

  expect_failures = [output.function_arn]
}

run "refuses_six_layers_in_all" {
  command = plan

  variables {
    extra_layer_arns = [
      "arn:aws:lambda:eu-central-1:123456789012:layer:l0:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l1:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l2:1",
      "arn:aws:lambda:eu-central-1:123456789012:layer:l3:1",
    ]
  }

  expect_failures = [output.function_arn]
}

run "refuses_a_time_limit_that_leaves_no_time_for_a_job" {
  command = plan

  variables {
    timeout = 25
  }

  expect_failures = [output.function_arn]
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

run "refuses_a_token_by_value" {
  command = plan

  variables {
    token                 = { parameter_name = "glrt-abc def" }
    environment_variables = { CI_SERVER_TOKEN = "glrt-abc" }
  }

  expect_failures = [var.token, var.environment_variables]
}

run "refuses_a_url_without_scheme" {
  command = plan

  variables {
    gitlab = { url = "gitlab.example.com" }
  }

  expect_failures = [var.gitlab]
}

run "refuses_a_url_with_a_password" {
  command = plan

  variables {
    gitlab = { url = "https://user:secret@gitlab.example.com" }
  }

  expect_failures = [var.gitlab]
}

run "refuses_a_url_with_an_impossible_port" {
  command = plan

  variables {
    gitlab = { url = "https://gitlab.example.com:65536/" }
  }

  expect_failures = [var.gitlab]
}

run "refuses_a_relative_ca_file" {
  command = plan

  variables {
    gitlab = { url = "https://gitlab.example.com", tls_ca_file = "ca.pem" }
  }

  expect_failures = [var.gitlab]
}

run "refuses_a_host_without_an_ip_address" {
  command = plan

  variables {
    gitlab = { url = "https://gitlab.example.com", extra_hosts = { "gitlab.example.com" = ["gitlab.internal"] } }
  }

  expect_failures = [var.gitlab]
}

run "takes_addresses_with_port_path_and_brackets" {
  command = plan

  variables {
    gitlab = { url = "http://[fd00::7]:8080/gitlab/" }
  }

  assert {
    condition     = local.settings.CI_SERVER_URL == "http://[fd00::7]:8080/gitlab/"
    error_message = "The address is changed."
  }
}

run "refuses_a_margin_below_eight_seconds" {
  command = plan

  variables {
    runner = { deadline_margin = 7 }
  }

  expect_failures = [var.runner]
}

run "refuses_half_seconds" {
  command = plan

  variables {
    runner = { wait_timeout = 1.5 }
  }

  expect_failures = [var.runner]
}

run "refuses_no_jobs" {
  command = plan

  variables {
    runner = { max_jobs = 0 }
  }

  expect_failures = [var.runner]
}

run "refuses_another_url_for_the_runner" {
  command = plan

  variables {
    runner = { args = ["--url", "https://elsewhere.example.com"] }
  }

  expect_failures = [var.runner]
}

run "refuses_another_token_for_the_runner_in_any_spelling" {
  command = plan

  variables {
    runner = { args = ["-TOKEN=abc"] }
  }

  expect_failures = [var.runner]
}

run "refuses_a_short_option_with_its_value_glued_on" {
  command = plan

  variables {
    runner = { args = ["-uhttps://elsewhere.example.com"] }
  }

  expect_failures = [var.runner]
}

run "takes_options_that_begin_like_a_refused_one" {
  command = plan

  variables {
    runner = { args = ["--tls-ca-file", "/opt/ca.pem", "-tls-ca-file=/opt/ca.pem", "--request-concurrency", "1", "--output-limit=1"] }
  }

  assert {
    condition     = length(jsondecode(local.settings.RUNLET_RUNNER_ARGS)) == 6
    error_message = "The arguments are changed."
  }
}

run "refuses_unknown_job_credentials" {
  command = plan

  variables {
    job_credentials = { mode = "admin" }
  }

  expect_failures = [var.job_credentials]
}
