# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false every output is null."
  type        = bool
  default     = true
  nullable    = false
}

variable "function_name" {
  description = "Name of the function that gets the role."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name must be 1 to 64 letters, digits, hyphens and underscores, as in \"ci-runner\"."
  }
}

variable "name" {
  description = "Name of the role; the function's where it is left out."
  type        = string
  default     = null

  validation {
    condition     = var.name == null || can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits and characters of _+=,.@-, as in \"ci-runner\"."
  }
}

variable "name_prefix" {
  description = "First part of a name that AWS completes, in place of `name`; at most 38 characters."
  type        = string
  default     = null

  validation {
    condition     = var.name_prefix == null || can(regex("^[a-zA-Z0-9_+=,.@-]{1,38}$", var.name_prefix))
    error_message = "name_prefix must be 1 to 38 letters, digits and characters of _+=,.@-, as in \"ci-runner-\"."
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
  default     = "Execution role of a function that runs GitLab jobs"
  nullable    = false
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

variable "log_group_arn" {
  description = "ARN of the function's log group: the only one that the role writes to."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:[^:*]+$", var.log_group_arn))
    error_message = "log_group_arn must be the ARN of one log group, without \":*\", as in \"arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/ci\"."
  }
}

variable "token" {
  description = <<-EOT
    Where the runner token is; exactly one of the first two.
    - `secret_arn`: full ARN of a secret in Secrets Manager, with its six random characters.
    - `parameter_name`: name or ARN of a parameter in the SSM Parameter Store.
    - `kms_key_arn`: the KMS key that encrypts it, where it is not the service's own.
  EOT
  type = object({
    secret_arn     = optional(string)
    parameter_name = optional(string)
    kms_key_arn    = optional(string)
  })
  nullable = false

  validation {
    condition     = (var.token.secret_arn == null) != (var.token.parameter_name == null)
    error_message = "token must say where the runner token is, once: write token = { secret_arn = \"arn:aws:secretsmanager:...\" } or token = { parameter_name = \"/runlet/runner-token\" }."
  }

  validation {
    condition     = var.token.secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-zA-Z0-9-]+:[0-9]{12}:secret:[^[:space:][:cntrl:]*?]+-[a-zA-Z0-9]{6}$", var.token.secret_arn))
    error_message = "token.secret_arn must be the whole ARN of a secret, with the hyphen and six characters that end it, as in \"arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf\"."
  }

  validation {
    condition     = var.token.parameter_name == null || can(regex("^(arn:aws[a-z-]*:ssm:[a-zA-Z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9_./-]*[A-Za-z0-9_.-]|[A-Za-z0-9_.-]+|/[A-Za-z0-9_./-]*[A-Za-z0-9_.-])$", var.token.parameter_name))
    error_message = "token.parameter_name must be the name of an SSM parameter, with a slash in front where it has one inside, as in \"/runlet/runner-token\"."
  }

  validation {
    condition     = var.token.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.token.kms_key_arn))
    error_message = "token.kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key of the function's environment variables, where it is not Lambda's own."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
  }
}

variable "dead_letter_target_arn" {
  description = "ARN of the SQS queue or SNS topic that gets events which failed."
  type        = string
  default     = null

  validation {
    condition     = var.dead_letter_target_arn == null || can(regex("^arn:aws[a-z-]*:(sqs|sns):[a-z0-9-]+:[0-9]{12}:[^:*]+$", var.dead_letter_target_arn))
    error_message = "dead_letter_target_arn must be the ARN of an SQS queue or an SNS topic, as in \"arn:aws:sqs:eu-central-1:123456789012:ci-dead\"."
  }
}

variable "dead_letter_kms_key_arn" {
  description = "ARN of the KMS key of the dead-letter target, where it has one of its own."
  type        = string
  default     = null

  validation {
    condition     = var.dead_letter_kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.dead_letter_kms_key_arn))
    error_message = "dead_letter_kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
  }
}

variable "job_role_arn" {
  description = "Exact ARN of the role that the runner assumes for each job, where job credentials are `role`. It need not exist yet."
  type        = string
  default     = null

  validation {
    condition     = var.job_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-)+->@-~]+/)?[a-zA-Z0-9_+=,.@-]{1,64}$", var.job_role_arn))
    error_message = "job_role_arn must be the exact ARN of a role, without wildcards, as in \"arn:aws:iam::123456789012:role/ci-job\"."
  }
}

variable "accounts_parameter_name" {
  description = "Name of the SSM parameter that holds the accounts of jobs."
  type        = string
  default     = null

  validation {
    condition     = var.accounts_parameter_name == null || can(regex("^/?[A-Za-z0-9_./-]*[A-Za-z0-9_.-]$", var.accounts_parameter_name))
    error_message = "accounts_parameter_name must be the name of an SSM parameter, as in \"/runlet/ci/accounts\"."
  }
}

variable "provider_mirror" {
  description = <<-EOT
    The zip of Terraform providers in S3 that the runner unpacks for its jobs.
    - `bucket`, `key`: the object.
    - `kms_key_arn`: the KMS key that encrypts it, where it is not S3's own.
  EOT
  type = object({
    bucket      = string
    key         = string
    kms_key_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.provider_mirror == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.provider_mirror.bucket)) && can(regex("^[^/*?$[:cntrl:]][^*?$[:cntrl:]]*$", var.provider_mirror.key))
    error_message = "provider_mirror must name one object, without wildcards, as in { bucket = \"my-artifacts\", key = \"mirror/providers.zip\" }."
  }

  validation {
    condition     = var.provider_mirror == null ? true : var.provider_mirror.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.provider_mirror.kms_key_arn))
    error_message = "provider_mirror.kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
  }
}

variable "file_system_access_point_arn" {
  description = "ARN of the EFS access point that the function mounts: for reading alone."
  type        = string
  default     = null

  validation {
    condition     = var.file_system_access_point_arn == null || can(regex("^arn:aws[a-z-]*:elasticfilesystem:[a-z0-9-]+:[0-9]{12}:access-point/fsap-[0-9a-f]+$", var.file_system_access_point_arn))
    error_message = "file_system_access_point_arn must be the ARN of an access point, as in \"arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0\"."
  }
}

variable "vpc_access" {
  description = "Whether the function is in a VPC: Lambda may then manage its network interfaces, the function's own code may not."
  type        = bool
  default     = false
  nullable    = false
}

variable "tracing" {
  description = "Whether the function sends X-Ray traces."
  type        = bool
  default     = false
  nullable    = false
}

variable "policy_arns" {
  description = "ARNs of further policies for the role, by names of your choice. With job credentials `inherit` every job has these rights."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.policy_arns) : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", arn))])
    error_message = "policy_arns must hold ARNs of policies, as in { deploy = \"arn:aws:iam::123456789012:policy/deploy\" }."
  }
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
  nullable    = false
}
