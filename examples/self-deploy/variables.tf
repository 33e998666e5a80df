# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "Name of the runner."
  type        = string
  default     = "self-deploy"
}

variable "region" {
  description = "Region of the runner and its buckets."
  type        = string
  default     = "eu-central-1"
}

variable "artifacts" {
  description = "The folder that holds the `artifacts.json` of `make dist`; the zips are in S3."
  type        = string
  default     = "../../dist"
}

variable "artifacts_bucket" {
  description = "Bucket that `make publish` puts the artifacts into, each under its hash."
  type        = string
}

variable "state_bucket" {
  description = "Bucket of the state, the same as that of `-backend-config`: a job may read and write this state alone."
  type        = string
}

variable "token_secret_arn" {
  description = "ARN of the secret that holds the runner token. It is made elsewhere: a job has no right on it, so it could not plan it."
  type        = string
}

variable "gitlab" {
  description = "Your GitLab: `url`, and `tls_ca_file` where it has a private CA, which one of `extra_layer_arns` brings."
  type = object({
    url         = string
    tls_ca_file = optional(string)
  })
}

variable "extra_layer_arns" {
  description = "ARNs of further layer versions, such as that of a private CA."
  type        = list(string)
  default     = []
}

variable "provider_mirror" {
  description = "The AWS provider in S3, as `layers/opentofu/mirror.sh` packs it; without it a job fetches it from the registry."
  type = object({
    bucket = string
    key    = string
    sha256 = string
  })
  default = null
}
