# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false every output is null."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the function. Its log group is `/aws/lambda/` and this name."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits, hyphens and underscores, as in \"ci-runner\"."
  }
}

variable "description" {
  description = "What the function does, at most 256 characters."
  type        = string
  default     = null

  validation {
    condition     = var.description == null ? true : length(var.description) <= 256
    error_message = "description must have at most 256 characters."
  }
}

variable "role_arn" {
  description = "ARN of the execution role, as `modules/execution-role` makes it."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "role_arn must be the ARN of a role, as in \"arn:aws:iam::123456789012:role/ci-runner\"."
  }
}

variable "package" {
  description = <<-EOT
    The function's zip, built before: a file or an object in S3.
    - `path`: the file, at most 50 MB. Keep it relative, so that the plan is the same on every machine.
    - `s3_bucket`, `s3_key`, `s3_object_version`: the object, in place of `path`.
    - `source_code_hash`: base64 of the zip's SHA-256, as `dist/artifacts.json` and `layer-packer --json` give it. Needed with S3; taken from the file where `path` stands alone.
  EOT
  type = object({
    path              = optional(string)
    s3_bucket         = optional(string)
    s3_key            = optional(string)
    s3_object_version = optional(string)
    source_code_hash  = optional(string)
  })
  nullable = false

  validation {
    condition     = (var.package.path == null) != (var.package.s3_key == null)
    error_message = "package must name one zip: write package = { path = \"...\" }, or { s3_bucket = \"...\", s3_key = \"...\", source_code_hash = \"...\" }."
  }

  validation {
    condition     = (var.package.s3_bucket == null) == (var.package.s3_key == null)
    error_message = "package.s3_bucket and package.s3_key go together: write both or neither."
  }

  validation {
    condition     = var.package.s3_key == null || var.package.source_code_hash != null
    error_message = "package.source_code_hash is needed beside package.s3_key: write the source_code_hash that dist/artifacts.json has for this zip."
  }

  validation {
    condition     = var.package.source_code_hash == null || can(regex("^[A-Za-z0-9+/]{43}=$", var.package.source_code_hash))
    error_message = "package.source_code_hash must be the base64 of a SHA-256 (44 characters), not its hexadecimal form: write the source_code_hash of dist/artifacts.json."
  }
}

variable "handler" {
  description = "Handler: what the bootstrap does with an event (`run`)."
  type        = string
  default     = "run"
  nullable    = false
}

variable "runtime" {
  description = "Runtime of the function."
  type        = string
  default     = "provided.al2023"
  nullable    = false
}

variable "architecture" {
  description = "Instruction set of the function and its layers: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be \"x86_64\" or \"arm64\"."
  }
}

variable "layer_arns" {
  description = "ARNs of layer versions, at most five. Where two hold the same path, the later one wins."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.layer_arns) <= 5
    error_message = "A function takes at most five layers: merge some into one zip (layer-packer pack --output merged.zip FOLDER FOLDER ...) and name that one layer instead."
  }
}

variable "environment_variables" {
  description = "Environment of the function, 4 KB in all. Secrets do not belong here: pass their ARN."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])
    error_message = "environment_variables must have names of a letter and at least one more letter, digit or underscore."
  }

  validation {
    condition = alltrue([
      for name in keys(var.environment_variables) :
      !can(regex("^AWS_(REGION|DEFAULT_REGION|ACCESS_KEY|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)$", name))
    ])
    error_message = "environment_variables must not set names that Lambda sets itself (AWS_REGION, AWS_LAMBDA_..., the keys): leave them out; the log level is application_log_level."
  }
}

variable "memory_size" {
  description = "Memory in MB, 128 to 10240. CPU grows with it: one full core at 1769 MB."
  type        = number
  default     = 1769
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size must be a whole number of MB from 128 to 10240."
  }
}

variable "timeout" {
  description = "Time limit of one invocation in seconds, 1 to 900."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout must be a whole number of seconds from 1 to 900: Lambda gives no more. Route longer jobs to another runner by tag."
  }
}

variable "ephemeral_storage_size" {
  description = "Size of `/tmp` in MB, 512 to 10240. The first 512 are free."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.ephemeral_storage_size >= 512 && var.ephemeral_storage_size <= 10240 && floor(var.ephemeral_storage_size) == var.ephemeral_storage_size
    error_message = "ephemeral_storage_size must be a whole number of MB from 512 to 10240."
  }
}

variable "reserved_concurrent_executions" {
  description = "How many invocations may run at once, kept free for this function; -1 for no reservation, 0 to stop it. New accounts may have ten in all, of which none can be reserved."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.reserved_concurrent_executions >= -1 && floor(var.reserved_concurrent_executions) == var.reserved_concurrent_executions
    error_message = "reserved_concurrent_executions must be -1 (no reservation), 0 (no invocation at all) or a number of invocations."
  }
}

variable "maximum_retry_attempts" {
  description = "How often Lambda repeats an asynchronous invocation that failed, 0 to 2. A job that was half done must not be done twice unasked: 0."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = contains([0, 1, 2], var.maximum_retry_attempts)
    error_message = "maximum_retry_attempts must be 0, 1 or 2."
  }
}

variable "maximum_event_age_in_seconds" {
  description = "How long Lambda keeps an asynchronous event that finds no free concurrency, 60 to 21600."
  type        = number
  default     = 21600
  nullable    = false

  validation {
    condition     = var.maximum_event_age_in_seconds >= 60 && var.maximum_event_age_in_seconds <= 21600 && floor(var.maximum_event_age_in_seconds) == var.maximum_event_age_in_seconds
    error_message = "maximum_event_age_in_seconds must be a whole number from 60 to 21600."
  }
}

variable "dead_letter_target_arn" {
  description = "ARN of an SQS queue or SNS topic that gets asynchronous events which failed or grew too old. The execution role must allow sending to it."
  type        = string
  default     = null

  validation {
    condition     = var.dead_letter_target_arn == null || can(regex("^arn:aws[a-z-]*:(sqs|sns):[a-z0-9-]+:[0-9]{12}:[^:]+$", var.dead_letter_target_arn))
    error_message = "dead_letter_target_arn must be the ARN of an SQS queue or an SNS topic, as in \"arn:aws:sqs:eu-central-1:123456789012:ci-dead\"."
  }
}

variable "vpc" {
  description = <<-EOT
    Puts the function into a VPC. It then needs a NAT gateway, or endpoints, to reach GitLab, its secret and CloudWatch.
    - `subnet_ids`: at least one, in different zones.
    - `security_group_ids`: at least one; HTTPS to GitLab and AWS must be let out.
    - `ipv6_allowed_for_dual_stack`: whether dual-stack subnets give it IPv6 too.
  EOT
  type = object({
    subnet_ids                  = list(string)
    security_group_ids          = list(string)
    ipv6_allowed_for_dual_stack = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.subnet_ids) > 0 && length(var.vpc.security_group_ids) > 0
    error_message = "vpc must name at least one subnet and one security group; leave vpc out for a function without one."
  }
}

variable "file_system" {
  description = <<-EOT
    Mounts an EFS access point. It needs `vpc`, a mount target in each subnet that is there before the function is made, and a security group that lets NFS (2049) through.
    - `access_point_arn`: ARN of the access point.
    - `local_mount_path`: where the function finds it, a name below `/mnt/`.
  EOT
  type = object({
    access_point_arn = string
    local_mount_path = string
  })
  default = null

  validation {
    condition     = var.file_system == null ? true : can(regex("^arn:aws[a-z-]*:elasticfilesystem:[a-z0-9-]+:[0-9]{12}:access-point/fsap-[0-9a-f]+$", var.file_system.access_point_arn))
    error_message = "file_system.access_point_arn must be the ARN of an access point, not of the file system, as in \"arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0\"."
  }

  validation {
    condition     = var.file_system == null ? true : can(regex("^/mnt/[a-zA-Z0-9_.-]{1,155}$", var.file_system.local_mount_path))
    error_message = "file_system.local_mount_path must be one name below /mnt/, where Lambda mounts, as in \"/mnt/providers\"."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key for the environment variables, in place of Lambda's own."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
  }
}

variable "code_signing_config_arn" {
  description = "ARN of a code signing configuration: Lambda then takes only zips signed by AWS Signer."
  type        = string
  default     = null
}

variable "tracing_mode" {
  description = "X-Ray: `PassThrough`, or `Active` to sample every invocation."
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["PassThrough", "Active"], var.tracing_mode)
    error_message = "tracing_mode must be \"PassThrough\" or \"Active\"."
  }
}

variable "log_retention_in_days" {
  description = "How long CloudWatch keeps the log; 0 for ever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_in_days)
    error_message = "log_retention_in_days must be a number that CloudWatch knows: 0 (for ever), 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "log_kms_key_arn" {
  description = "ARN of the KMS key for the log group, in place of CloudWatch's own. Its policy must let CloudWatch Logs use it."
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.log_kms_key_arn))
    error_message = "log_kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
  }
}

variable "application_log_level" {
  description = "From which level on the bootstrap logs: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"], var.application_log_level)
    error_message = "application_log_level must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  }
}

variable "system_log_level" {
  description = "From which level on Lambda itself logs: `DEBUG`, `INFO` or `WARN`."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN"], var.system_log_level)
    error_message = "system_log_level must be DEBUG, INFO or WARN."
  }
}

variable "alias" {
  description = "Name of the alias that points to the newest published version. Invoke through it."
  type        = string
  default     = "live"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,128}$", var.alias)) && !can(regex("^[0-9]+$", var.alias))
    error_message = "alias must be letters, digits, hyphens and underscores, and no number alone, as in \"live\"."
  }
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
