# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false every output is null."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the role. There is no prefix to complete: the execution role and other accounts name this role by its ARN."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits and characters of _+=,.@-, as in \"ci-job\"."
  }
}

variable "path" {
  description = "Path of the role in IAM."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-)+->@-~]+/)?$", var.path))
    error_message = "path must begin and end with a slash, without blanks and wildcards, as in \"/ci/\"."
  }
}

variable "description" {
  description = "What the role is for."
  type        = string
  default     = "Assumed by a Runlet runner for each GitLab job"
  nullable    = false
}

variable "execution_role_arn" {
  description = "Exact ARN of the runner's execution role: the only one that may assume this role."
  type        = string

  validation {
    condition     = !can(regex("[*?]", var.execution_role_arn))
    error_message = "execution_role_arn must not hold a wildcard, which would let others give themselves a job's rights: write the exact ARN, as modules/execution-role gives it out."
  }

  validation {
    condition     = can(regex("[*?]|^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[a-zA-Z0-9_+=,.@-]{1,64}$", var.execution_role_arn))
    error_message = "execution_role_arn must be the ARN of one role, not of a session, an account or a user: write it as in \"arn:aws:iam::123456789012:role/ci\"."
  }
}

variable "target_role_arns" {
  description = "Exact ARNs of the roles that a job may assume, in this account or others. Each must trust this role too, as `modules/cross-account-role` does."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.target_role_arns : !can(regex("[*?]", arn))])
    error_message = "target_role_arns must not hold wildcards, which would reach roles that do not exist yet: write each role with its exact ARN."
  }

  validation {
    condition     = alltrue([for arn in var.target_role_arns : can(regex("[*?]|^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[a-zA-Z0-9_+=,.@-]{1,64}$", arn))])
    error_message = "target_role_arns must hold ARNs of roles, as in [\"arn:aws:iam::444455556666:role/deploy\"]."
  }
}

variable "token_arns" {
  description = "ARNs of the secrets and SSM parameters that hold runner tokens. The role is denied them, whatever other policies of it say."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.token_arns : can(regex("^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^[:space:][:cntrl:]*?]+-[a-zA-Z0-9]{6}|ssm:[a-z0-9-]+:[0-9]{12}:parameter/[^[:space:][:cntrl:]*?]+)$", arn))])
    error_message = "token_arns must hold whole ARNs of secrets, with the six characters that end them, or of SSM parameters, without wildcards, as in [\"arn:aws:secretsmanager:eu-central-1:123456789012:secret:runner-AbCdEf\"] or [\"arn:aws:ssm:eu-central-1:123456789012:parameter/runlet/runner-token\"]."
  }
}

variable "session_identity" {
  description = "Whether sessions carry tags and a source identity that say which job they are. With false neither the runner nor a job may set any, so that nothing in a session can be taken for an identity."
  type        = bool
  default     = true
  nullable    = false
}

variable "max_session_duration" {
  description = "Longest session in seconds, 3600 to 43200. The runner's own session is one of a role already, so STS gives a job 3600 at most, whatever stands here."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.max_session_duration >= 3600 && var.max_session_duration <= 43200 && floor(var.max_session_duration) == var.max_session_duration
    error_message = "max_session_duration must be 3600 to 43200 seconds, which are IAM's limits: leave it out, since the runner asks for the time that its job has left."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of a policy that limits what the role can ever do."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy, as in \"arn:aws:iam::123456789012:policy/boundary\"."
  }
}

variable "policy_arns" {
  description = "ARNs of further policies for the role, by names of your choice. Every job of the runner has these rights."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.policy_arns) : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", arn))])
    error_message = "policy_arns must hold ARNs of policies, as in { deploy = \"arn:aws:iam::123456789012:policy/deploy\" }."
  }
}

variable "inline_policies" {
  description = "Further policies of the role itself, JSON by name, best from `aws_iam_policy_document`. Every job of the runner has these rights."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.inline_policies) : can(regex("^[a-zA-Z0-9_+=,.@-]{1,128}$", name)) && !contains(["accounts", "runner-token"], name)])
    error_message = "inline_policies must have names of 1 to 128 letters, digits and characters of _+=,.@-, as in { deploy = data.aws_iam_policy_document.deploy.json }; \"accounts\" and \"runner-token\" are those of target_role_arns and token_arns."
  }

  validation {
    condition     = alltrue([for policy in values(var.inline_policies) : can(jsondecode(policy).Statement)])
    error_message = "inline_policies must hold policies as JSON with a Statement, as in { deploy = data.aws_iam_policy_document.deploy.json }: an ARN belongs in policy_arns."
  }
}

variable "tags" {
  description = "Tags of the role. None may begin with `runlet:`, as the tags of a job's session do: it would stand in for one that the session does not have."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.tags) : !startswith(lower(name), "runlet:")])
    error_message = "tags must not begin with \"runlet:\": IAM would take the role's tag for one that a job's session lacks. Write another name, as in { team = \"platform\" }."
  }
}
