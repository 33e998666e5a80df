# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "Name of the runner in the hub, and first part of the roles' names in the spokes."
  type        = string
  default     = "landing-zone"
}

variable "region" {
  description = "Region of the hub."
  type        = string
  default     = "eu-central-1"
}

variable "accounts" {
  description = <<-EOT
    The spokes: `dev`, `staging` and `prod`. Each becomes a profile of that name in every job.
    - `account_id`: twelve digits.
    - `region`: region of the profile (the hub's).
  EOT
  type = map(object({
    account_id = string
    region     = optional(string)
  }))

  validation {
    condition     = join(",", sort(keys(var.accounts))) == "dev,prod,staging"
    error_message = "accounts must be dev, staging and prod, for each of which spokes.tf has one module block: Terraform cannot choose a provider by a key. Add a block and a provider alias for another one."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : can(regex("^[0-9]{12}$", account.account_id))])
    error_message = "accounts[*].account_id must be twelve digits in quotes, as in { dev = { account_id = \"111122223333\" } }."
  }
}

variable "project_id" {
  description = "Number of the GitLab project that deploys: a path can be taken over, a number cannot."
  type        = number
}

variable "provisioning_role_name" {
  description = "Role in each spoke by which Terraform makes what is there; `AWSControlTowerExecution` or `AWSAFTExecution` in some landing zones."
  type        = string
  default     = "OrganizationAccountAccessRole"
}

variable "gitlab_url" {
  description = "Address of your GitLab, as in https://gitlab.example.com."
  type        = string
}

variable "gitlab_ca_layer" {
  description = "For a GitLab with a private CA: a zip with `gitlab-ca.pem` at its root, as `layer-packer pack --output gitlab-ca.zip gitlab-ca.pem` makes it."
  type        = string
  default     = null
}

variable "artifacts" {
  description = "The folder that `make dist` wrote."
  type        = string
  default     = "../../dist"
}

variable "layers" {
  description = "Layers of the runner; `opentofu` deploys, `assume-role` lets a job see who it is and go through chains of roles."
  type        = list(string)
  default     = ["gitlab-runner", "git", "opentofu", "assume-role"]
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
