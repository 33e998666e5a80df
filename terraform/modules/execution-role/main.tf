# SPDX-License-Identifier: Apache-2.0

data "aws_partition" "current" {
  count = var.create ? 1 : 0
}

data "aws_region" "current" {
  count = var.create ? 1 : 0
}

data "aws_caller_identity" "current" {
  count = var.create ? 1 : 0
}

locals {
  partition = one(data.aws_partition.current[*].partition)
  # The id and not the name: the name is deprecated from version 6 of the provider on.
  region     = one(data.aws_region.current[*].id)
  account_id = one(data.aws_caller_identity.current[*].account_id)
  # Both spellings where a partition has a suffix of its own: which of them KMS compares is not
  # written down.
  dns_suffixes = distinct(concat(["amazonaws.com"], data.aws_partition.current[*].dns_suffix))
  regional     = join(":", compact([local.region, local.account_id]))
  arn          = var.create ? "arn:${local.partition}" : ""
  function     = "${local.arn}:lambda:${local.regional}:function:${var.function_name}"
  name         = var.name_prefix != null ? null : coalesce(var.name, var.function_name)
  dead_letter  = var.dead_letter_target_arn != null ? split(":", var.dead_letter_target_arn)[2] : null

  # Which of the two it is hangs on the parameter alone: the secret's ARN is often known only after
  # it is made, a parameter's name is written down.
  token_in_parameter = var.token.parameter_name != null
  token_service      = local.token_in_parameter ? "ssm" : "secretsmanager"
  token_action       = local.token_in_parameter ? "ssm:GetParameter" : "secretsmanager:GetSecretValue"
  token_context      = local.token_in_parameter ? "PARAMETER_ARN" : "SecretARN"
  parameter_name     = coalesce(var.token.parameter_name, "none")
  parameter_arn      = startswith(local.parameter_name, "arn:") ? local.parameter_name : "${local.arn}:ssm:${local.regional}:parameter/${trimprefix(local.parameter_name, "/")}"
  token_arn          = local.token_in_parameter ? local.parameter_arn : var.token.secret_arn
}

data "aws_iam_policy_document" "trust" {
  count = var.create ? 1 : 0

  # Lambda takes a role of the function's own account only, so there is no other caller to keep out.
  statement {
    sid     = "Lambda"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  #checkov:skip=CKV_AWS_111:What writes is limited to the function's log group, its dead-letter target, and for a VPC to the interfaces of this account, which have no names before they are made.
  #checkov:skip=CKV_AWS_356:Only ec2:Describe* and xray:Put* stand on all resources, because IAM knows no narrower one for them; both are there only when asked for.
  count = var.create ? 1 : 0

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${var.log_group_arn}:log-stream:*"]
  }

  statement {
    sid       = "ReadRunnerToken"
    actions   = [local.token_action]
    resources = [local.token_arn]
  }

  dynamic "statement" {
    for_each = var.token.kms_key_arn != null ? [1] : []

    content {
      sid       = "DecryptRunnerToken"
      actions   = ["kms:Decrypt"]
      resources = [var.token.kms_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for suffix in local.dns_suffixes : "${local.token_service}.${local.region}.${suffix}"]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:${local.token_context}"
        values   = [local.token_arn]
      }
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn != null ? [1] : []

    content {
      sid       = "DecryptEnvironment"
      actions   = ["kms:Decrypt"]
      resources = [var.kms_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for suffix in local.dns_suffixes : "lambda.${local.region}.${suffix}"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.job_role_arn != null ? [1] : []

    content {
      sid       = "AssumeJobRole"
      actions   = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
      resources = [var.job_role_arn]
    }
  }

  dynamic "statement" {
    for_each = var.provider_mirror != null ? [var.provider_mirror] : []

    content {
      sid       = "ReadProviderMirror"
      actions   = ["s3:GetObject"]
      resources = ["${local.arn}:s3:::${statement.value.bucket}/${statement.value.key}"]
    }
  }

  dynamic "statement" {
    for_each = try(var.provider_mirror.kms_key_arn, null) != null ? [var.provider_mirror] : []

    content {
      sid       = "DecryptProviderMirror"
      actions   = ["kms:Decrypt"]
      resources = [statement.value.kms_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for suffix in local.dns_suffixes : "s3.${local.region}.${suffix}"]
      }

      # With a bucket key the context is the bucket's ARN, without one the object's.
      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:s3:arn"
        values   = ["${local.arn}:s3:::${statement.value.bucket}", "${local.arn}:s3:::${statement.value.bucket}/${statement.value.key}"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.file_system_access_point_arn != null ? [var.file_system_access_point_arn] : []

    content {
      sid     = "MountFileSystem"
      actions = ["elasticfilesystem:ClientMount"]
      # The right stands on file systems; which one, the access point says, whose ARN has no name of it.
      resources = ["${join(":", slice(split(":", statement.value), 0, 5))}:file-system/*"]

      condition {
        test     = "StringEquals"
        variable = "elasticfilesystem:AccessPointArn"
        values   = [statement.value]
      }
    }
  }

  dynamic "statement" {
    for_each = local.dead_letter != null ? [1] : []

    content {
      sid       = "SendToDeadLetterTarget"
      actions   = [local.dead_letter == "sns" ? "sns:Publish" : "sqs:SendMessage"]
      resources = [var.dead_letter_target_arn]
    }
  }

  dynamic "statement" {
    for_each = var.dead_letter_kms_key_arn != null && local.dead_letter != null ? [1] : []

    content {
      sid       = "EncryptForDeadLetterTarget"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.dead_letter_kms_key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for suffix in local.dns_suffixes : "${local.dead_letter}.${local.region}.${suffix}"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.vpc_access ? [1] : []

    content {
      sid = "ManageInterfaces"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
      ]
      # Lambda picks subnet, group and interface by itself and wants the right on all of them.
      resources = ["${local.arn}:ec2:${local.regional}:*/*"]
    }
  }

  dynamic "statement" {
    for_each = var.vpc_access ? [1] : []

    content {
      sid = "DescribeInterfaces"
      actions = [
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
      ]
      # These actions know no resource.
      resources = ["*"]
    }
  }

  # Lambda itself needs the rights above; the code in the function does not.
  dynamic "statement" {
    for_each = var.vpc_access ? [1] : []

    content {
      sid    = "KeepInterfacesFromCode"
      effect = "Deny"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources = ["*"]

      condition {
        test     = "ArnLike"
        variable = "lambda:SourceFunctionArn"
        values   = [local.function, "${local.function}:*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.tracing ? [1] : []

    content {
      sid     = "WriteTraces"
      actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      # These actions know no resource.
      resources = ["*"]
    }
  }
}

# Apart, because the accounts name roles that trust the job role, which in turn trusts this one: with a
# policy of its own nothing waits for itself.
data "aws_iam_policy_document" "accounts" {
  count = var.create && var.accounts_parameter_name != null ? 1 : 0

  statement {
    sid       = "ReadAccounts"
    actions   = ["ssm:GetParameter"]
    resources = ["${local.arn}:ssm:${local.regional}:parameter/${trimprefix(var.accounts_parameter_name, "/")}"]
  }
}

resource "aws_iam_role" "this" {
  count = var.create ? 1 : 0

  name                 = local.name
  name_prefix          = var.name_prefix
  path                 = var.path
  description          = var.description
  assume_role_policy   = data.aws_iam_policy_document.trust[0].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  count = var.create ? 1 : 0

  name   = "execution"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.execution[0].json
}

resource "aws_iam_role_policy" "accounts" {
  count = var.create && var.accounts_parameter_name != null ? 1 : 0

  name   = "accounts"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.accounts[0].json
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.create ? var.policy_arns : {}

  role       = aws_iam_role.this[0].name
  policy_arn = each.value
}
