# SPDX-License-Identifier: Apache-2.0

locals {
  # What Lambda measures is the JSON text of the map. Terraform writes <, > and & as six characters
  # there. Four characters of base64 stand for three bytes, less the padding.
  environment_json   = replace(replace(replace(jsonencode(var.environment_variables), "\\u003c", "<"), "\\u003e", ">"), "\\u0026", "&")
  environment_base64 = base64encode(local.environment_json)
  environment_size   = length(local.environment_base64) * 3 / 4 - length(regexall("=", local.environment_base64))

  # Settings for asynchronous events belong to a qualifier: one set on the function alone does not
  # hold for the alias, which would retry twice.
  event_qualifiers = var.create ? toset(["$LATEST", var.alias]) : toset([])
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts every group; a key of one's own is the input log_kms_key_arn.
  #checkov:skip=CKV_AWS_338:Job traces go to GitLab. How long our own log lines stay is the input log_retention_in_days.
  count = var.create ? 1 : 0

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_in_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:Tracing is the input tracing_mode; it costs money and shows little of a function that runs one job.
  #checkov:skip=CKV_AWS_115:Reserved concurrency is the input reserved_concurrent_executions; a new account with a limit of ten cannot reserve any.
  #checkov:skip=CKV_AWS_116:The dead-letter target is the input dead_letter_target_arn; a lost event loses no job, because the job waits in GitLab.
  #checkov:skip=CKV_AWS_117:A VPC is the input vpc; without one the function reaches GitLab without a NAT gateway.
  #checkov:skip=CKV_AWS_173:Lambda encrypts the variables, which hold no secret; a key of one's own is the input kms_key_arn.
  #checkov:skip=CKV_AWS_272:Code signing is the input code_signing_config_arn; AWS Signer takes zips from S3 only.
  count = var.create ? 1 : 0

  function_name = var.name
  description   = var.description
  role          = var.role_arn

  runtime       = var.runtime
  handler       = var.handler
  architectures = [var.architecture]
  layers        = var.layer_arns
  publish       = true

  filename                = var.package.path
  s3_bucket               = var.package.s3_bucket
  s3_key                  = var.package.s3_key
  s3_object_version       = var.package.s3_object_version
  source_code_hash        = var.package.source_code_hash != null ? var.package.source_code_hash : filebase64sha256(var.package.path)
  code_signing_config_arn = var.code_signing_config_arn

  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrent_executions
  kms_key_arn                    = var.kms_key_arn

  ephemeral_storage {
    size = var.ephemeral_storage_size
  }

  logging_config {
    log_group             = aws_cloudwatch_log_group.this[0].name
    log_format            = "JSON"
    application_log_level = var.application_log_level
    system_log_level      = var.system_log_level
  }

  tracing_config {
    mode = var.tracing_mode
  }

  dynamic "environment" {
    for_each = length(var.environment_variables) > 0 ? [1] : []

    content {
      variables = var.environment_variables
    }
  }

  dynamic "dead_letter_config" {
    for_each = var.dead_letter_target_arn != null ? [1] : []

    content {
      target_arn = var.dead_letter_target_arn
    }
  }

  dynamic "vpc_config" {
    for_each = var.vpc != null ? [var.vpc] : []

    content {
      subnet_ids                  = vpc_config.value.subnet_ids
      security_group_ids          = vpc_config.value.security_group_ids
      ipv6_allowed_for_dual_stack = vpc_config.value.ipv6_allowed_for_dual_stack
    }
  }

  dynamic "file_system_config" {
    for_each = var.file_system != null ? [var.file_system] : []

    content {
      arn              = file_system_config.value.access_point_arn
      local_mount_path = file_system_config.value.local_mount_path
    }
  }

  tags = var.tags

  lifecycle {
    precondition {
      condition     = var.file_system == null || var.vpc != null
      error_message = "file_system needs vpc: Lambda reaches an EFS mount target only from a subnet of its network. Write vpc = { subnet_ids = [...], security_group_ids = [...] }."
    }

    precondition {
      condition     = local.environment_size <= 4096
      error_message = "The environment variables of ${var.name} take ${local.environment_size} bytes; Lambda takes 4,096. Move long values to an SSM parameter or into a layer, and pass the name or path."
    }
  }
}

# Who invokes the function goes through the alias, so that a new version can be tried before it
# is given the jobs, and the old one taken back.
resource "aws_lambda_alias" "this" {
  count = var.create ? 1 : 0

  name             = var.alias
  description      = "The version that runs jobs"
  function_name    = aws_lambda_function.this[0].function_name
  function_version = aws_lambda_function.this[0].version
}

resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.event_qualifiers

  function_name                = aws_lambda_function.this[0].function_name
  qualifier                    = each.value == "$LATEST" ? "$LATEST" : aws_lambda_alias.this[0].name
  maximum_retry_attempts       = var.maximum_retry_attempts
  maximum_event_age_in_seconds = var.maximum_event_age_in_seconds
}
