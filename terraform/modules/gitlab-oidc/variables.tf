# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false nothing is read either, and every output is null or empty."
  type        = bool
  default     = true
  nullable    = false
}

variable "issuer_url" {
  description = "What GitLab writes into its tokens as `iss`: its address, or where its keys are published instead (`ci_id_tokens` `issuer_url`)."
  type        = string

  validation {
    condition     = can(regex("^https://", var.issuer_url))
    error_message = "issuer_url must begin with https://, as AWS and the iss of the tokens have it: write \"https://gitlab.example.com\"."
  }

  validation {
    condition     = !can(regex("^https://", var.issuer_url)) || can(regex("^https://[a-z0-9.-]+(/[a-zA-Z0-9._~-]+)*$", var.issuer_url))
    error_message = "issuer_url must be written as the iss of the tokens, in small letters, without port, query and slash at its end: write \"https://gitlab.example.com\" in place of \"https://GitLab.example.com:443/\". AWS takes no iss with another port: set GitLab's ci_id_tokens issuer_url to an address without one, and write that."
  }
}

variable "create_provider" {
  description = "Whether to make the account's identity provider for this issuer. An account has one for each: with false the one that is there is found by its address."
  type        = bool
  default     = true
  nullable    = false
}

variable "audiences" {
  description = "Values of `aud` that jobs write under `id_tokens:`. AWS takes no others."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.audiences) > 0 && length(var.audiences) <= 100 && length(var.audiences) == length(distinct(var.audiences)) && alltrue([for audience in var.audiences : can(regex("^[^*?$&[:space:]]{1,255}$", audience))])
    error_message = "audiences must hold 1 to 100 different values of aud, to the letter and without wildcards, as in [\"https://gitlab.example.com\"]: without a condition on aud a token made for another service would do."
  }
}

variable "thumbprints" {
  description = "SHA-1 thumbprints of the issuer's CA, for an issuer whose certificate no public CA signed. Left out, AWS takes what it sees and trusts the public CAs."
  type        = list(string)
  default     = null

  validation {
    condition     = var.thumbprints == null ? true : length(var.thumbprints) >= 1 && length(var.thumbprints) <= 5 && alltrue([for thumbprint in var.thumbprints : can(regex("^[0-9a-f]{40}$", thumbprint))])
    error_message = "thumbprints must hold 1 to 5 SHA-1 thumbprints of 40 small hexadecimal digits without colons; leave it out for a certificate of a public CA."
  }
}

variable "sub_claim_components" {
  description = "The projects' `ci_id_token_sub_claim_components`, in their order: what `sub` is made of. The default is GitLab's. Projects with others need a module block of their own, with `create_provider = false`."
  type        = list(string)
  default     = ["project_path", "ref_type", "ref"]
  nullable    = false

  validation {
    condition     = length(var.sub_claim_components) > 0 && contains(["project_path", "project_id"], try(var.sub_claim_components[0], ""))
    error_message = "sub_claim_components must begin with project_path or project_id, as GitLab's do: write [\"project_path\", \"ref_type\", \"ref\"], or [\"project_id\", ...] where the project is set so."
  }

  validation {
    condition     = length([for component in var.sub_claim_components : component if can(regex("^(environment|user)", component)) && component != "environment_protected"]) == 0
    error_message = "sub_claim_components must not hold an environment's name or a user: GitLab never puts them into sub. Write environment_protected or deployment_tier for an environment; for a user of gitlab.com claims = { user_login = { values = [...] } }."
  }

  validation {
    condition = length(var.sub_claim_components) == length(distinct(var.sub_claim_components)) && alltrue([for component in slice(var.sub_claim_components, min(1, length(var.sub_claim_components)), length(var.sub_claim_components)) :
      contains(["ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier"], component) || can(regex("^(environment|user)", component))
    ])
    error_message = "sub_claim_components may hold, after the project, ref_type, ref, ref_protected, environment_protected and deployment_tier, each once: GitLab takes no others. Write them as the project's ci_id_token_sub_claim_components has them."
  }
}

variable "roles" {
  description = <<-EOT
    Roles that jobs assume with their id_token, by names of your choice.
    - `subjects`: which jobs, each as what its `sub` must say: `project_path` or `project_id`, then any of `ref_type`, `ref`, `ref_protected`, `environment_protected`, `deployment_tier`; what is left out may be anything. Names are taken to the letter, `*` and `?` too; with wildcards write `ref_pattern`, or `project_path_pattern`, which needs `allow_namespace_wildcards`.
    - `claims`: for gitlab.com alone, what further claims must be, each with `values` and `test` (`StringEquals` or `StringLike`): `project_id`, `namespace_id`, `ref_protected`, `pipeline_source`, `runner_environment`, `user_id`, `user_login`, `user_email`, `user_access_level`.
    - `audiences`: those of `audiences` that this role takes (all).
    - `allow_namespace_wildcards`: whether a project's path may hold wildcards below its top-level group (false).
    - `name` (the key), `path`, `description`, `session_name`, `max_session_duration` (3600), `permissions_boundary_arn`, `policy_arns`, `inline_policies`: as in `modules/cross-account-role`.
  EOT
  type = map(object({
    subjects = list(map(string))
    claims = optional(map(object({
      test   = optional(string, "StringEquals")
      values = list(string)
    })), {})
    audiences                 = optional(list(string))
    allow_namespace_wildcards = optional(bool, false)
    name                      = optional(string)
    path                      = optional(string, "/")
    description               = optional(string, "Assumed by GitLab jobs with an id_token")
    session_name              = optional(string)
    max_session_duration      = optional(number, 3600)
    permissions_boundary_arn  = optional(string)
    policy_arns               = optional(map(string), {})
    inline_policies           = optional(map(string), {})
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, role in var.roles : can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", coalesce(role.name, name)))])
    error_message = "roles must have names of 1 to 64 letters, digits and characters of _+=,.@-, as in { deploy = { ... } }, or a name beside the key."
  }

  validation {
    condition     = alltrue([for role in values(var.roles) : try(length(role.subjects) > 0, false)])
    error_message = "roles[*].subjects must not be empty: without a condition on sub every project of that GitLab gets in, and on gitlab.com that is everybody. Write subjects = [{ project_path = \"group/app\", ref_type = \"branch\", ref = \"main\" }]."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      length(setintersection(keys(subject), ["project_path", "project_path_pattern", "project_id"])) == 1
    ]]))
    error_message = "roles[*].subjects must each say which project, once, or a wildcard would stand for all of them: write project_path = \"group/app\", or project_id = \"7\" where the sub begins with it."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) : [
      for key in keys(subject) : !can(regex("^(environment|user)", key)) || key == "environment_protected"
    ]]]))
    error_message = "roles[*].subjects must not name an environment or a user: GitLab never puts them into sub, and the condition would never match. Write environment_protected = true or deployment_tier = \"production\" (with sub_claim_components that hold them); for a user of gitlab.com claims = { user_login = { values = [...] } }."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) : [
      for key in keys(subject) : can(regex("^(environment|user)", key)) || contains(["project_path", "project_path_pattern", "project_id", "ref_type", "ref", "ref_pattern", "ref_protected", "environment_protected", "deployment_tier"], key)
    ]]]))
    error_message = "roles[*].subjects knows project_path, project_path_pattern, project_id, ref_type, ref, ref_pattern, ref_protected, environment_protected and deployment_tier: GitLab puts nothing else into sub. On gitlab.com AWS knows some more as claims, such as pipeline_source."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      !contains(keys(subject), "project_path") || can(regex("^[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)+$", lookup(subject, "project_path", "")))
    ]]))
    error_message = "roles[*].subjects: project_path must be the whole path of one project, without wildcards, as in \"group/app\". For all projects of a group write project_path_pattern = \"group/*\" and allow_namespace_wildcards = true, if whoever may make a project there is meant."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      !contains(keys(subject), "project_path_pattern") || role.allow_namespace_wildcards
    ]]))
    error_message = "roles[*].subjects: project_path_pattern lets in whoever may make a project there: write each project_path, or allow_namespace_wildcards = true on the role if that is meant."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      !contains(keys(subject), "project_path_pattern") || can(regex("^[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.*?-]+)+$", lookup(subject, "project_path_pattern", "")))
    ]]))
    error_message = "roles[*].subjects: project_path_pattern must begin with a whole top-level group, since anybody may make another one, as in \"group/*\" or \"group/team/app-?\"."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      !contains(keys(subject), "project_id") || can(regex("^[1-9][0-9]*$", lookup(subject, "project_id", "")))
    ]]))
    error_message = "roles[*].subjects: project_id must be the number of a project, as in project_id = \"7\". For its path write project_path = \"group/app\"."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      !can(regex("^(mr|merge_requests?)$", lookup(subject, "ref_type", "branch")))
    ]]))
    error_message = "roles[*].subjects: ref_type \"mr\" is one that GitLab never issues: the jobs of a merge request have the type branch and its source branch as ref. Write ref_type = \"branch\"; on gitlab.com claims = { pipeline_source = { values = [\"merge_request_event\"] } } tells them apart."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      can(regex("^(branch|tag|mr|merge_requests?)$", lookup(subject, "ref_type", "branch")))
    ]]))
    error_message = "roles[*].subjects: ref_type must be \"branch\" or \"tag\"; leave it out for both."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) : [
      for key in ["ref", "ref_pattern"] : can(regex("^[^:[:space:][:cntrl:]]{1,255}$", lookup(subject, key, "main"))) && !can(regex("&[{]", lookup(subject, key, "main")))
    ]]]))
    error_message = "roles[*].subjects: ref and ref_pattern must be the name of a branch or tag, as in \"main\", without refs/heads/, colons, blanks and \"&{\"; leave ref out for any."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      !can(regex("^refs/", lookup(subject, "ref", lookup(subject, "ref_pattern", "main")))) && !can(regex("[$]", lookup(subject, "ref_pattern", "main"))) && !(contains(keys(subject), "ref") && contains(keys(subject), "ref_pattern"))
    ]]))
    error_message = "roles[*].subjects: give ref (to the letter) or ref_pattern (with * and ?, without $), and neither with refs/heads/ in front: write ref = \"main\" or ref_pattern = \"release/*\"."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) : [
      for key in ["ref_protected", "environment_protected"] : can(regex("^(true|false)$", lookup(subject, key, "true")))
    ]]]))
    error_message = "roles[*].subjects: ref_protected and environment_protected are true or false; leave them out for both."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for subject in coalesce(role.subjects, []) :
      can(regex("^(production|staging|testing|development|other)$", lookup(subject, "deployment_tier", "other")))
    ]]))
    error_message = "roles[*].subjects: deployment_tier must be production, staging, testing, development or other, which are GitLab's; the name of an environment is never in sub."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for claim in keys(role.claims) :
      contains(["project_id", "namespace_id", "ref_protected", "pipeline_source", "runner_environment", "user_id", "user_login", "user_email", "user_access_level"], claim)
    ]]))
    error_message = "roles[*].claims knows project_id, namespace_id, ref_protected, pipeline_source, runner_environment, user_id, user_login, user_email and user_access_level, which are AWS's keys for gitlab.com: a condition on another claim never matches. Write a path or ref as part of subjects."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.roles) : [for claim in values(role.claims) : !can(regex("^For(All|Any)", claim.test))]]))
    error_message = "roles[*].claims[*].test must have no ForAllValues or ForAnyValue: each claim has one value, and ForAllValues is true also where the claim is missing. Write StringEquals, which takes several values too."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.roles) : [for claim in values(role.claims) : can(regex("^For(All|Any)", claim.test)) || contains(["StringEquals", "StringLike"], claim.test)]]))
    error_message = "roles[*].claims[*].test must be StringEquals or StringLike: negations and ...IfExists are true where the claim is missing. Write what is let in, as in claims = { project_id = { values = [\"7\"] } }."
  }

  validation {
    condition = alltrue(flatten([for role in values(var.roles) : [for claim in values(role.claims) :
      try(length(claim.values) > 0 && alltrue([for value in claim.values : can(regex("^[^[:cntrl:]&$]{1,255}$", value)) && (claim.test != "StringEquals" || !can(regex("[*?]", value)))]), false)
    ]]))
    error_message = "roles[*].claims[*].values must hold at least one value of 1 to 255 characters without policy variables, and wildcards only with test = \"StringLike\": StringEquals compares * and ? to the letter."
  }

  validation {
    condition     = alltrue([for role in values(var.roles) : role.audiences == null ? true : length(role.audiences) > 0])
    error_message = "roles[*].audiences must not be empty: leave it out for all of audiences."
  }
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
