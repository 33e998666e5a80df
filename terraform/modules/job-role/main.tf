# SPDX-License-Identifier: Apache-2.0

locals {
  # STS wants all three at every hop of a session with transitive tags and a source identity. Without
  # identity the two are left out, so that no job can tag itself with an identity of its own making.
  session_actions = concat(["sts:AssumeRole"], var.session_identity ? ["sts:TagSession", "sts:SetSourceIdentity"] : [])

  # The folders above each token that is a parameter, as a caller may spell them.
  token_folders = distinct(flatten([
    for arn in var.token_arns : [
      for depth in range(1, length(split("/", arn))) : formatlist("%s%s", join("/", slice(split("/", arn), 0, depth)), ["", "/"])
    ] if strcontains(arn, ":parameter/")
  ]))
}

data "aws_iam_policy_document" "trust" {
  count = var.create ? 1 : 0

  statement {
    sid     = "ExecutionRole"
    actions = local.session_actions

    principals {
      type        = "AWS"
      identifiers = [var.execution_role_arn]
    }
  }
}

data "aws_iam_policy_document" "targets" {
  count = var.create && length(var.target_role_arns) > 0 ? 1 : 0

  statement {
    sid       = "AssumeTargetRoles"
    actions   = local.session_actions
    resources = distinct(var.target_role_arns)
  }
}

# A deny, because a policy as broad as ReadOnlyAccess or AdministratorAccess would let every job read
# the token, and with it take the jobs of other projects.
data "aws_iam_policy_document" "token" {
  count = var.create && length(var.token_arns) > 0 ? 1 : 0

  statement {
    sid       = "KeepRunnerToken"
    effect    = "Deny"
    actions   = ["secretsmanager:*", "ssm:*"]
    resources = var.token_arns
  }

  # This call is checked for the folder alone, and gives out what is below it, also a parameter that is
  # denied by itself.
  dynamic "statement" {
    for_each = length(local.token_folders) > 0 ? [1] : []

    content {
      sid       = "KeepFoldersOfRunnerToken"
      effect    = "Deny"
      actions   = ["ssm:GetParametersByPath"]
      resources = local.token_folders
    }
  }
}

resource "aws_iam_role" "this" {
  count = var.create ? 1 : 0

  name                 = var.name
  path                 = var.path
  description          = var.description
  assume_role_policy   = data.aws_iam_policy_document.trust[0].json
  max_session_duration = var.max_session_duration
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  lifecycle {
    # IAM takes a tag of the role for one that a session lacks, whatever the case of its name.
    postcondition {
      condition     = alltrue([for name in keys(coalesce(self.tags_all, {})) : !startswith(lower(name), "runlet:")])
      error_message = "The provider's default_tags give the job role a tag that begins with \"runlet:\", which IAM would take for one of a job's session: give the tag another name."
    }
  }
}

resource "aws_iam_role_policy" "targets" {
  count = var.create && length(var.target_role_arns) > 0 ? 1 : 0

  name   = "accounts"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.targets[0].json

  lifecycle {
    precondition {
      condition     = length(replace(join("", concat(data.aws_iam_policy_document.targets[*].json, data.aws_iam_policy_document.token[*].json, values(var.inline_policies))), "/\\s/", "")) <= 10240
      error_message = "target_role_arns make, with token_arns and inline_policies, more than the 10240 characters that IAM gives all policies of a role: name fewer roles, give shorter names and paths to them, or put inline_policies into policies of their own, by policy_arns."
    }
  }
}

resource "aws_iam_role_policy" "token" {
  count = var.create && length(var.token_arns) > 0 ? 1 : 0

  name   = "runner-token"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.token[0].json
}

# After the deny, so that no job reads the token between the two.
resource "aws_iam_role_policy" "this" {
  for_each = var.create ? var.inline_policies : {}

  name   = each.key
  role   = aws_iam_role.this[0].name
  policy = each.value

  depends_on = [aws_iam_role_policy.token]
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.create ? var.policy_arns : {}

  role       = aws_iam_role.this[0].name
  policy_arn = each.value

  depends_on = [aws_iam_role_policy.token]
}
