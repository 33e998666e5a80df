# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false every output is null."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the role. There is no prefix to complete: others name this role by its ARN."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits and characters of _+=,.@-, as in \"deploy\"."
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
  default     = "Assumed by GitLab jobs that deploy into this account"
  nullable    = false
}

variable "job_roles" {
  description = <<-EOT
    Job roles that may assume this role, by names of your choice; one role may stand here more than once, with other tags.
    - `arn`: exact ARN of the job role.
    - `external_id`: what the caller must send as external id. A label against mix-ups, not a secret.
    - `session_tags`: values that the job's session must have, one of the list for each tag, compared to the letter: `project_id`, `project_path`, `ref`, `ref_type`, `protected`, `job_id`, `pipeline_id`, `user_id`; and where the job had a `RUNLET_ID_TOKEN` that verified, `pipeline_source`, `environment`, `user_login`.
    - `allow_any_project`: whether neither `project_id` nor `project_path` is needed among them (false).
    - `allow_unprotected_ref`: whether `ref` may stand without `protected = ["true"]` (false).
  EOT
  type = map(object({
    arn                   = string
    external_id           = string
    session_tags          = optional(map(list(string)), {})
    allow_any_project     = optional(bool, false)
    allow_unprotected_ref = optional(bool, false)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.job_roles) : can(regex("^[a-z][a-zA-Z0-9]*$", key))])
    error_message = "job_roles must have names of letters and digits that begin with a small letter, as in { runner = { ... } }: they become part of statement ids."
  }

  validation {
    condition     = alltrue([for role in values(var.job_roles) : !can(regex("[*?]", role.arn))])
    error_message = "job_roles[*].arn must not hold a wildcard, which would trust roles that do not exist yet: write one entry for each role, with its exact ARN."
  }

  validation {
    condition     = alltrue([for role in values(var.job_roles) : !can(regex(":sts:|assumed-role/", role.arn))])
    error_message = "job_roles[*].arn must not be the ARN of a session: write the role's own, as in \"arn:aws:iam::123456789012:role/runlet-job\" in place of \"arn:aws:sts::123456789012:assumed-role/runlet-job/SESSION\"."
  }

  validation {
    condition     = alltrue([for role in values(var.job_roles) : can(regex("[*?]|:sts:|assumed-role/|^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[a-zA-Z0-9_+=,.@-]{1,64}$", role.arn))])
    error_message = "job_roles[*].arn must be the exact ARN of one role, not an account, a user or a service: write it as in \"arn:aws:iam::123456789012:role/runlet-job\"."
  }

  validation {
    condition     = alltrue([for role in values(var.job_roles) : can(regex("^[a-zA-Z0-9_+=,.@:/-]{2,}$", role.external_id)) && try(length(role.external_id) <= 1224, false)])
    error_message = "job_roles[*].external_id must be 2 to 1224 letters, digits and characters of _+=,.@:/-, as in \"runlet-prod\"."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.job_roles) : [
      for tag in keys(role.session_tags) : contains(["project_id", "project_path", "ref", "ref_type", "protected", "job_id", "pipeline_id", "user_id", "pipeline_source", "environment", "user_login"], tag)
    ]]))
    error_message = "job_roles[*].session_tags knows project_id, project_path, ref, ref_type, protected, job_id, pipeline_id, user_id, pipeline_source, environment and user_login: a job's session has no other tag from Runlet, and any other could be of the job's own making. Write for example session_tags = { project_id = [\"7\"] }."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.job_roles) : [for values in values(role.session_tags) : try(length(values) > 0, false)]]))
    error_message = "job_roles[*].session_tags must give at least one value for each tag, as in { project_id = [\"7\"] }: leave out a tag that does not matter."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.job_roles) : [for values in values(role.session_tags) : [for value in coalesce(values, []) : !can(regex("[*?]", value))]]]))
    error_message = "job_roles[*].session_tags are compared to the letter, so a value with * or ? never matches: list each value, or for \"any protected ref\" leave ref out and write protected = [\"true\"]."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.job_roles) : [for values in values(role.session_tags) : [for value in coalesce(values, []) : can(regex("^[a-zA-Z0-9 _.:/=+@*?-]{1,256}$", value))]]]))
    error_message = "job_roles[*].session_tags must hold values of 1 to 256 letters of a to z and A to Z, digits, blanks and characters of _.:/=+-@: the runner cuts a value before any other and adds a hash, so it never matches. For a ref or path with others, pin project_id and protected instead."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.job_roles) : [
      for tag in ["project_id", "job_id", "pipeline_id", "user_id"] : [for value in try(coalesce(role.session_tags[tag], []), []) : can(regex("^[1-9][0-9]*$|[*?]", value))]
    ]]))
    error_message = "job_roles[*].session_tags: project_id, job_id, pipeline_id and user_id are numbers, as in project_id = [\"7\"]. For a project's path write project_path = [\"group/app\"]."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.job_roles) : [for value in try(coalesce(role.session_tags["protected"], []), []) : can(regex("^(true|false)$|[*?]", value))]]))
    error_message = "job_roles[*].session_tags: protected is \"true\" or \"false\"; write protected = [\"true\"]."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.job_roles) : [for value in try(coalesce(role.session_tags["ref_type"], []), []) : can(regex("^(branch|tag)$|[*?]", value))]]))
    error_message = "job_roles[*].session_tags: ref_type is \"branch\" or \"tag\" (a merge request's jobs run on a branch); write ref_type = [\"branch\"]."
  }

  validation {
    condition = alltrue([for role in values(var.job_roles) :
      role.allow_any_project || length(setintersection(keys(role.session_tags), ["project_id", "project_path"])) > 0
    ])
    error_message = "job_roles[*].session_tags must say which projects, or every job of the runner gets in: write session_tags = { project_id = [\"7\"] } (a path can be taken over, an id cannot), or allow_any_project = true if that is meant."
  }

  validation {
    condition = alltrue([for role in values(var.job_roles) :
      role.allow_unprotected_ref || !contains(keys(role.session_tags), "ref") || try(join(" ", role.session_tags["protected"]) == "true", false)
    ])
    error_message = "job_roles[*].session_tags: a ref alone proves little, since a fork's merge request may run on a branch called main: write protected = [\"true\"] beside ref, or allow_unprotected_ref = true if unprotected refs are meant."
  }
}

variable "gitlab_oidc" {
  description = <<-EOT
    Lets GitLab jobs in by an id_token, without a job role.
    - `provider_arn`: ARN of this account's identity provider for that GitLab.
    - `host`: the token's issuer without `https://`, as in `gitlab.example.com`; what follows `oidc-provider/` in the ARN.
    - `subjects`: values of `sub`, of which one must match. `*` and `?` are wildcards after the project, `&{*}` and `&{?}` the characters themselves.
    - `audiences`: values of `aud`, of which one must match to the letter.
    - `allow_namespace_wildcards`: whether the path of a project may hold wildcards below its top-level group (false).
    - `claims`: with host `gitlab.com` alone, what further claims must be, each with `values`, of which one must match, and `test`, `StringEquals` or `StringLike`: `project_id`, `namespace_id`, `ref_protected`, `pipeline_source`, `runner_environment`, `user_id`, `user_login`, `user_email`, `user_access_level`.
  EOT
  type = object({
    provider_arn              = string
    host                      = string
    subjects                  = list(string)
    audiences                 = list(string)
    allow_namespace_wildcards = optional(bool, false)
    claims = optional(map(object({
      test   = optional(string, "StringEquals")
      values = list(string)
    })), {})
  })
  default = null

  validation {
    condition     = var.gitlab_oidc == null ? true : var.gitlab_oidc.host == "gitlab.com" || length(var.gitlab_oidc.claims) == 0
    error_message = "gitlab_oidc.claims are known to AWS for gitlab.com alone: for any other host only sub and aud reach the trust policy, and a condition on another claim never matches. Put what you need into the sub, by the project's ci_id_token_sub_claim_components."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : alltrue([for claim in keys(var.gitlab_oidc.claims) :
      contains(["project_id", "namespace_id", "ref_protected", "pipeline_source", "runner_environment", "user_id", "user_login", "user_email", "user_access_level"], claim)
    ])
    error_message = "gitlab_oidc.claims knows project_id, namespace_id, ref_protected, pipeline_source, runner_environment, user_id, user_login, user_email and user_access_level, which are AWS's keys for gitlab.com: a condition on another claim never matches. Write a path or ref as part of subjects."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : alltrue([for claim in values(var.gitlab_oidc.claims) : !can(regex("^For(All|Any)", claim.test))])
    error_message = "gitlab_oidc.claims[*].test must have no ForAllValues or ForAnyValue: each claim has one value, and ForAllValues is true also where the claim is missing. Write StringEquals, which takes several values too."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : alltrue([for claim in values(var.gitlab_oidc.claims) : can(regex("^For(All|Any)", claim.test)) || contains(["StringEquals", "StringLike"], claim.test)])
    error_message = "gitlab_oidc.claims[*].test must be StringEquals or StringLike: negations and ...IfExists are true where the claim is missing. Write what is let in, as in { project_id = { values = [\"7\"] } }."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : alltrue([for claim in values(var.gitlab_oidc.claims) :
      try(length(claim.values) > 0 && alltrue([for value in claim.values : can(regex("^[^[:cntrl:]&$]{1,255}$", value)) && (claim.test != "StringEquals" || !can(regex("[*?]", value)))]), false)
    ])
    error_message = "gitlab_oidc.claims[*].values must hold at least one value of 1 to 255 characters without policy variables, and wildcards only with test = \"StringLike\": StringEquals compares * and ? to the letter."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[a-zA-Z0-9._~/-]+$", var.gitlab_oidc.provider_arn))
    error_message = "gitlab_oidc.provider_arn must be the exact ARN of an identity provider, without wildcards, as in \"arn:aws:iam::123456789012:oidc-provider/gitlab.example.com\"."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : can(regex("^[a-z0-9.-]+(/[a-zA-Z0-9._~-]+)*$", var.gitlab_oidc.host))
    error_message = "gitlab_oidc.host must be the issuer without scheme, port and slash at its end: write \"gitlab.example.com\" in place of \"https://gitlab.example.com/\"."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : try(endswith(var.gitlab_oidc.provider_arn, ":oidc-provider/${var.gitlab_oidc.host}"), false)
    error_message = "gitlab_oidc.provider_arn is not the provider of gitlab_oidc.host, so no condition would match: write as host what follows \":oidc-provider/\" in the ARN."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : try(length(var.gitlab_oidc.subjects) > 0, false)
    error_message = "gitlab_oidc.subjects must not be empty, or every project of that GitLab gets in: write subjects = [\"project_path:group/app:ref_type:branch:ref:main\"]."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : alltrue([for subject in coalesce(var.gitlab_oidc.subjects, []) :
      can(regex("^project_id:[0-9]+(:|$)", subject)) || can(regex("^project_path:[a-zA-Z0-9_.*?-]+(/[a-zA-Z0-9_.*?-]+)+(:|$)", subject))
    ])
    error_message = "gitlab_oidc.subjects must begin with one whole project, as GitLab's tokens do: write \"project_path:group/app:ref_type:branch:ref:main\", or \"project_id:7:...\" where the project's ci_id_token_sub_claim_components begin so."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : var.gitlab_oidc.allow_namespace_wildcards || alltrue([for subject in coalesce(var.gitlab_oidc.subjects, []) :
      !can(regex("^project_path:[^:]*[*?]", subject))
    ])
    error_message = "gitlab_oidc.subjects must not have wildcards in the path of a project, where whoever may make a project gets in: write each path, as in \"project_path:group/app:*\", or allow_namespace_wildcards = true if that is meant."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : alltrue([for subject in coalesce(var.gitlab_oidc.subjects, []) :
      !can(regex("^project_path:[^/:]*[*?]", subject))
    ])
    error_message = "gitlab_oidc.subjects must name the top-level group, also with allow_namespace_wildcards, since anybody may make another one: write \"project_path:group/*:ref_type:branch:ref:main\"."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : alltrue([for subject in coalesce(var.gitlab_oidc.subjects, []) :
      !can(regex(":(environment|user_[a-z]+|namespace_[a-z]+|pipeline_source):|:ref_type:m", subject))
    ])
    error_message = "gitlab_oidc.subjects must hold what GitLab puts into sub: never an environment's name, a user, a namespace or a pipeline's source, nor ref_type mr (a merge request's jobs have branch). Write \"environment_protected:true\", \"deployment_tier:production\" or \"ref_type:branch\", as far as the project's ci_id_token_sub_claim_components have them; on gitlab.com claims knows users, namespaces and sources."
  }

  validation {
    condition = var.gitlab_oidc == null ? true : alltrue([for subject in coalesce(var.gitlab_oidc.subjects, []) :
      !can(regex("[$&]\\{", replace(subject, "/[$&]\\{[*?$]\\}/", "")))
    ])
    error_message = "gitlab_oidc.subjects must not hold IAM policy variables but &{*}, &{?} and &{$}: write the value itself."
  }

  validation {
    condition     = var.gitlab_oidc == null ? true : try(length(var.gitlab_oidc.audiences) > 0 && alltrue([for audience in var.gitlab_oidc.audiences : can(regex("^[^*?$&[:space:]]{1,255}$", audience))]), false)
    error_message = "gitlab_oidc.audiences must hold the exact aud of the jobs' id_tokens, without wildcards, as in [\"https://gitlab.example.com\"]; the identity provider must list them too."
  }
}

variable "session_name" {
  description = "The one session name that is let in, where an account asks for it, as in `AWSAFT-Session`. The caller chooses it: it is a label, never a proof of who calls."
  type        = string
  default     = null

  validation {
    condition     = var.session_name == null || can(regex("^[a-zA-Z0-9_+=,.@-]{2,64}$", var.session_name))
    error_message = "session_name must be 2 to 64 letters, digits and characters of _+=,.@-, without wildcards, as in \"AWSAFT-Session\"."
  }
}

variable "max_session_duration" {
  description = "Longest session in seconds, 3600 to 43200. A session that a job role starts ends after 3600 at most, whatever stands here: only those by OIDC can be longer."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.max_session_duration >= 3600 && var.max_session_duration <= 43200 && floor(var.max_session_duration) == var.max_session_duration
    error_message = "max_session_duration must be 3600 to 43200 seconds, which are IAM's limits: for a shorter session write 3600 here and ask STS for less."
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
  description = "ARNs of policies for the role, by names of your choice."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.policy_arns) : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", arn))])
    error_message = "policy_arns must hold ARNs of policies, as in { deploy = \"arn:aws:iam::123456789012:policy/deploy\" }."
  }
}

variable "inline_policies" {
  description = "Policies of the role itself, JSON by name, best from `aws_iam_policy_document`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.inline_policies) : can(regex("^[a-zA-Z0-9_+=,.@-]{1,128}$", name))])
    error_message = "inline_policies must have names of 1 to 128 letters, digits and characters of _+=,.@-, as in { deploy = data.aws_iam_policy_document.deploy.json }."
  }

  validation {
    condition     = alltrue([for policy in values(var.inline_policies) : can(jsondecode(policy).Statement)])
    error_message = "inline_policies must hold policies as JSON with a Statement, as in { deploy = data.aws_iam_policy_document.deploy.json }: an ARN belongs in policy_arns."
  }
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
  nullable    = false
}
