# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false every output is null."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the layer."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits, hyphens and underscores, as in \"runlet-git\"."
  }
}

variable "description" {
  description = "What the layer holds, at most 256 characters. A new text makes a new version."
  type        = string
  default     = null

  validation {
    condition     = var.description == null ? true : length(var.description) <= 256
    error_message = "description must have at most 256 characters."
  }
}

variable "package" {
  description = <<-EOT
    The layer's zip, built before: a file or an object in S3.
    - `path`: the file, at most 50 MB. Keep it relative, so that the plan is the same on every machine.
    - `s3_bucket`, `s3_key`, `s3_object_version`: the object, in place of `path`.
    - `source_code_hash`: base64 of the zip's SHA-256, as `dist/artifacts.json` and `layer-packer --json` give it. Needed with S3; taken from the file where `path` stands alone. A new hash makes a new version.
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

variable "compatible_architectures" {
  description = "Architectures the layer is made for: `x86_64`, `arm64` or both."
  type        = list(string)
  default     = ["x86_64"]
  nullable    = false

  validation {
    condition     = length(var.compatible_architectures) > 0 && length(setsubtract(var.compatible_architectures, ["x86_64", "arm64"])) == 0
    error_message = "compatible_architectures must hold \"x86_64\", \"arm64\" or both."
  }
}

variable "compatible_runtimes" {
  description = "Runtimes the layer is made for. A hint to people: Lambda enforces nothing."
  type        = list(string)
  default     = ["provided.al2023"]
  nullable    = false
}

variable "license_info" {
  description = "SPDX expression or address of the content's licence."
  type        = string
  default     = null

  validation {
    condition     = var.license_info == null ? true : length(var.license_info) <= 512
    error_message = "license_info must have at most 512 characters."
  }
}

variable "skip_destroy" {
  description = "Whether versions that are replaced or destroyed stay in Lambda. True for a layer that others use by its ARN."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions" {
  description = <<-EOT
    Who else may use each version, by a name for the grant.
    - `principal`: an account id, or `*` together with `organization_id`.
    - `organization_id`: limits `*` to the accounts of an organization.
  EOT
  type = map(object({
    principal       = string
    organization_id = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for p in values(var.permissions) : can(regex("^[0-9]{12}$", p.principal)) || p.principal == "*"])
    error_message = "permissions[*].principal must be an account id of 12 digits, or \"*\" with an organization_id."
  }

  validation {
    condition     = alltrue([for p in values(var.permissions) : p.principal != "*" || p.organization_id != null])
    error_message = "permissions with the principal \"*\" would open the layer to every AWS account: add organization_id = \"o-...\", or name one account id."
  }

  validation {
    condition     = alltrue([for p in values(var.permissions) : p.principal == "*" || p.organization_id == null])
    error_message = "permissions[*].organization_id goes with the principal \"*\" alone: leave it out beside an account id."
  }
}
