# SPDX-License-Identifier: Apache-2.0

locals {
  # A subject with a wildcard needs StringLike; without one StringEquals says the same more plainly.
  # An escaped wildcard stands for itself under both.
  subject_wildcards = var.gitlab_oidc == null ? false : anytrue([
    for subject in var.gitlab_oidc.subjects : can(regex("[*?]", replace(subject, "/[$&]\\{[*?$]\\}/", "")))
  ])
}

data "aws_iam_policy_document" "trust" {
  count = var.create ? 1 : 0

  dynamic "statement" {
    for_each = var.job_roles

    content {
      sid     = "Assume${title(statement.key)}"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = [statement.value.arn]
      }

      condition {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [statement.value.external_id]
      }

      # The tags of the session that calls, which Runlet set from GitLab's own answer. Not
      # aws:RequestTag: those are what the job itself asks for.
      dynamic "condition" {
        for_each = statement.value.session_tags

        content {
          test     = "StringEquals"
          variable = "aws:PrincipalTag/runlet:${condition.key}"
          values   = condition.value
        }
      }

      dynamic "condition" {
        for_each = var.session_name != null ? [var.session_name] : []

        content {
          test     = "StringEquals"
          variable = "sts:RoleSessionName"
          values   = [condition.value]
        }
      }
    }
  }

  # STS refuses a chained session with transitive tags or a source identity without these. Apart,
  # because STS has no external id and no session name to compare when it checks them; alone they
  # open nothing. Once for all, as a trust policy is short.
  dynamic "statement" {
    for_each = length(var.job_roles) > 0 ? [1] : []

    content {
      sid     = "Identify"
      actions = ["sts:TagSession", "sts:SetSourceIdentity"]

      principals {
        type        = "AWS"
        identifiers = distinct([for role in values(var.job_roles) : role.arn])
      }
    }
  }

  dynamic "statement" {
    for_each = var.gitlab_oidc != null ? [var.gitlab_oidc] : []

    content {
      sid     = "AssumeWithGitLabToken"
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [statement.value.provider_arn]
      }

      condition {
        test     = "StringEquals"
        variable = "${statement.value.host}:aud"
        values   = statement.value.audiences
      }

      condition {
        test     = local.subject_wildcards ? "StringLike" : "StringEquals"
        variable = "${statement.value.host}:sub"
        values   = statement.value.subjects
      }

      dynamic "condition" {
        for_each = statement.value.claims

        content {
          test     = condition.value.test
          variable = "${statement.value.host}:${condition.key}"
          values   = condition.value.values
        }
      }

      dynamic "condition" {
        for_each = var.session_name != null ? [var.session_name] : []

        content {
          test     = "StringEquals"
          variable = "sts:RoleSessionName"
          values   = [condition.value]
        }
      }
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
    precondition {
      condition     = length(replace(data.aws_iam_policy_document.trust[0].json, "/\\s/", "")) <= 4096
      error_message = "The trust policy has more than IAM's 4096 characters (2048 until AWS raises the quota): name fewer values in job_roles and gitlab_oidc, or make a second role."
    }

    precondition {
      condition     = length(var.job_roles) > 0 || var.gitlab_oidc != null
      error_message = "The role would trust nobody: write job_roles = { runner = { arn = \"arn:aws:iam::123456789012:role/runlet-job\", external_id = \"...\", session_tags = { project_id = [\"7\"] } } }, or gitlab_oidc = { ... }, or both."
    }
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = var.create ? var.inline_policies : {}

  name   = each.key
  role   = aws_iam_role.this[0].name
  policy = each.value
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.create ? var.policy_arns : {}

  role       = aws_iam_role.this[0].name
  policy_arn = each.value
}
