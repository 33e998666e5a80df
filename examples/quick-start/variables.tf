# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "Name of the function and of what belongs to it."
  type        = string
  default     = "runlet-quick-start"
}

variable "gitlab_url" {
  description = "Address of your GitLab, as in https://gitlab.example.com."
  type        = string
}

variable "artifacts" {
  description = "The folder that `make dist` wrote."
  type        = string
  default     = "../../dist"
}

variable "architecture" {
  description = "Instruction set: `x86_64`, or `arm64`, which costs a fifth less."
  type        = string
  default     = "x86_64"
}

variable "token_secret_arn" {
  description = "ARN of a secret that holds the runner token. Left out, an empty secret is made, for you to put the token into."
  type        = string
  default     = null
}

variable "gitlab_ca_layer" {
  description = "For a GitLab with a private CA: a zip with `gitlab-ca.pem` at its root, as `layer-packer pack --output gitlab-ca.zip gitlab-ca.pem` makes it."
  type        = string
  default     = null
}

variable "memory_size" {
  description = "Memory of the function in MB."
  type        = number
  default     = 1769
}

variable "timeout" {
  description = "Time limit of a job in seconds, with 15 seconds kept free at its end."
  type        = number
  default     = 900
}
