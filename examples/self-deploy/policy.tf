# SPDX-License-Identifier: Apache-2.0

# What the job may do to its own runner: new code, layers and settings, but no role. A plan that
# changes a role is applied by a person, or else a job could give itself any right.

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  lambda    = "arn:${local.partition}:lambda:${var.region}:${local.account}"
  roles     = ["arn:${local.partition}:iam::${local.account}:role/${var.name}", "arn:${local.partition}:iam::${local.account}:role/${var.name}-job"]
}

data "aws_iam_policy_document" "self_deploy" {
  statement {
    sid = "Function"
    actions = [
      "lambda:GetFunction*",
      "lambda:GetAlias",
      "lambda:GetPolicy",
      "lambda:ListVersionsByFunction",
      "lambda:ListTags",
      "lambda:UpdateFunctionCode",
      "lambda:UpdateFunctionConfiguration",
      "lambda:PublishVersion",
      "lambda:UpdateAlias",
    ]
    resources = ["${local.lambda}:function:${var.name}", "${local.lambda}:function:${var.name}:*"]
  }

  statement {
    sid       = "Layers"
    actions   = ["lambda:PublishLayerVersion", "lambda:GetLayerVersion", "lambda:DeleteLayerVersion"]
    resources = ["${local.lambda}:layer:${var.name}-*"]
  }

  statement {
    sid       = "OtherLayers"
    actions   = ["lambda:GetLayerVersion"]
    resources = length(var.extra_layer_arns) > 0 ? var.extra_layer_arns : ["${local.lambda}:layer:${var.name}-*:*"]
  }

  # Reading alone: the plan compares the roles with what is written here.
  statement {
    sid       = "ReadRoles"
    actions   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]
    resources = local.roles
  }

  statement {
    sid       = "KeepRole"
    actions   = ["iam:PassRole"]
    resources = [local.roles[0]]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["lambda.amazonaws.com"]
    }
  }

  statement {
    sid       = "ReadLogGroup"
    actions   = ["logs:ListTagsForResource"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${var.name}*"]
  }

  # This action takes no narrower resource.
  statement {
    sid       = "FindLogGroup"
    actions   = ["logs:DescribeLogGroups"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:*"]
  }

  statement {
    sid       = "ReadArtifacts"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${var.artifacts_bucket}/runlet/*"]
  }

  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket}"]
  }

  statement {
    sid       = "State"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket}/self-deploy/terraform.tfstate"]
  }

  statement {
    sid       = "Lock"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["arn:${local.partition}:s3:::${var.state_bucket}/self-deploy/terraform.tfstate.tflock"]
  }
}
