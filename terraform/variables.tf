# SPDX-License-Identifier: Apache-2.0

variable "create" {
  description = "Whether anything is made. With false nothing is read either, and every output is null or empty."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the function; its role, layers and log group are named after it."
  type        = string
  default     = "runlet"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,48}$", var.name))
    error_message = "name must be 1 to 48 letters, digits, hyphens and underscores, as in \"ci\": layers get a name that begins with it."
  }
}

variable "name_prefix" {
  description = "First part of the name, in place of `name`; eight random characters follow."
  type        = string
  default     = null

  validation {
    condition     = var.name_prefix == null || can(regex("^[a-zA-Z0-9_-]{1,40}$", var.name_prefix))
    error_message = "name_prefix must be 1 to 40 letters, digits, hyphens and underscores, as in \"ci-\"."
  }
}

variable "description" {
  description = "What the function is for, at most 256 characters."
  type        = string
  default     = "Runs one GitLab CI job for each invocation"
  nullable    = false

  validation {
    condition     = length(var.description) <= 256
    error_message = "description must have at most 256 characters."
  }
}

variable "artifacts" {
  description = "The folder that `make dist` wrote: its `artifacts.json` names every zip with its hash. Keep the path relative, as in \"$${path.root}/dist\", so that the plan is the same on every machine."
  type        = string

  validation {
    condition     = length(var.artifacts) > 0 && !endswith(var.artifacts, "/") && !endswith(var.artifacts, ".json")
    error_message = "artifacts must be the path of the folder that holds artifacts.json, without a slash at its end, as in \"$${path.root}/dist\"."
  }
}

variable "artifacts_s3" {
  description = <<-EOT
    Takes the zips from S3, where `make publish BUCKET=...` put them, each under its hash: `PREFIX/SHA256/NAME.zip`. Then `artifacts` needs to hold `artifacts.json` alone.
    - `bucket`: the bucket, in the function's region.
    - `prefix`: what stands before the hash; empty or with a slash at its end.
  EOT
  type = object({
    bucket = string
    prefix = optional(string, "runlet/")
  })
  default = null

  validation {
    condition     = var.artifacts_s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.artifacts_s3.bucket))
    error_message = "artifacts_s3.bucket must be the name of a bucket, as in { bucket = \"my-artifacts\" }, without s3://."
  }

  validation {
    condition     = var.artifacts_s3 == null ? true : (var.artifacts_s3.prefix == "" || can(regex("^[^/].*/$", var.artifacts_s3.prefix)))
    error_message = "artifacts_s3.prefix must be empty, or end with a slash and not begin with one, as in \"runlet/\"."
  }
}

variable "layers" {
  description = "Layers to make from the artifacts, by name and in order. A job needs `gitlab-runner`, and `git` unless an extra layer brings it."
  type        = list(string)
  default     = ["gitlab-runner", "git"]
  nullable    = false

  validation {
    condition     = length(var.layers) == length(distinct(var.layers)) && alltrue([for name in var.layers : can(regex("^[a-z0-9][a-z0-9-]{0,14}$", name)) && name != "bootstrap"])
    error_message = "layers must be different names of layers in artifacts.json, as in [\"gitlab-runner\", \"git\"]; the bootstrap is always there."
  }

  validation {
    condition     = length(var.layers) <= 5
    error_message = "A function takes at most five layers: merge some into one zip (layer-packer pack --output merged.zip FOLDER FOLDER ...) and name that one layer instead."
  }
}

variable "extra_layer_arns" {
  description = "ARNs of further layer versions (tools for jobs, a private CA), after our own; five layers in all."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.extra_layer_arns : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[a-zA-Z0-9_-]+:[0-9]+$", arn))])
    error_message = "extra_layer_arns must hold ARNs of layer versions, with the version at the end, as in \"arn:aws:lambda:eu-central-1:123456789012:layer:tools:3\"."
  }
}

variable "gitlab" {
  description = <<-EOT
    The GitLab whose jobs are run.
    - `url`: its address, as in `https://gitlab.example.com`.
    - `tls_ca_file`: absolute path, in the function, of a PEM file with its private CA: put `gitlab-ca.pem` at the root of a zip, publish it with `modules/layer`, add it to `extra_layer_arns` and write `/opt/gitlab-ca.pem`.
    - `extra_hosts`: addresses of names that the function's DNS does not know, as in `{ "gitlab.internal" = ["10.0.0.7"] }`.
  EOT
  type = object({
    url         = string
    tls_ca_file = optional(string)
    extra_hosts = optional(map(list(string)), {})
  })
  nullable = false

  validation {
    condition     = can(regex("^(?i:https?)://(\\[[0-9A-Fa-f:.]+\\]|[^][:space:][:cntrl:]/?#@:[]+)(:[0-9]{1,5})?(/[^[:space:][:cntrl:]?#]*)?$", var.gitlab.url))
    error_message = "gitlab.url must be the address of GitLab, without user name, query or fragment, as in \"https://gitlab.example.com\"."
  }

  validation {
    condition     = alltrue([for port in flatten(regexall("^[^/]*//[^/]*:([0-9]+)(?:/|$)", var.gitlab.url)) : tonumber(port) >= 1 && tonumber(port) <= 65535])
    error_message = "gitlab.url must have a port from 1 to 65535, or none."
  }

  validation {
    condition     = var.gitlab.tls_ca_file == null || can(regex("^/[^[:cntrl:]]+$", var.gitlab.tls_ca_file))
    error_message = "gitlab.tls_ca_file must be an absolute path inside the function, as in \"/opt/gitlab-ca.pem\" for a file at the root of a layer."
  }

  validation {
    condition     = length(var.gitlab.extra_hosts) <= 64 && alltrue([for name in keys(var.gitlab.extra_hosts) : can(regex("^[A-Za-z0-9._][A-Za-z0-9._-]{0,252}$", name))])
    error_message = "gitlab.extra_hosts must have at most 64 names of hosts, as in { \"gitlab.internal\" = [\"10.0.0.7\"] }."
  }

  validation {
    condition     = alltrue([for addresses in values(var.gitlab.extra_hosts) : length(addresses) > 0 && alltrue([for address in addresses : can(cidrhost("${address}/32", 0))])])
    error_message = "gitlab.extra_hosts must have at least one IP address for each name, as in { \"gitlab.internal\" = [\"10.0.0.7\", \"fd00::7\"] }."
  }
}

variable "runner" {
  description = <<-EOT
    How the runner works; what is left out has the bootstrap's default.
    - `name`: name shown in GitLab (the function's).
    - `wait_timeout`: seconds to wait for a first job, 1 to 3600 (10).
    - `max_jobs`: jobs of one invocation, one after another, 1 to 100 (1).
    - `deadline_margin`: seconds kept free before the time limit to stop a job and report, 8 to 300 (15).
    - `min_job_time`: seconds that must be left before the margin to ask for a job, 0 to 3600 (10).
    - `args`: further arguments of `gitlab-runner run-single`, as in `["--output-limit", "16384"]`.
    - `fresh_environment`: whether each invocation gets an environment that no job used before (false).
  EOT
  type = object({
    name              = optional(string)
    wait_timeout      = optional(number)
    max_jobs          = optional(number)
    deadline_margin   = optional(number)
    min_job_time      = optional(number)
    args              = optional(list(string), [])
    fresh_environment = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.runner.name == null || can(regex("^[^[:cntrl:]]{1,255}$", var.runner.name))
    error_message = "runner.name must be a name of 1 to 255 characters on one line."
  }

  validation {
    condition     = var.runner.wait_timeout == null || can(regex("^([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)$", tostring(var.runner.wait_timeout)))
    error_message = "runner.wait_timeout must be seconds as a whole number from 1 to 3600."
  }

  validation {
    condition     = var.runner.max_jobs == null || can(regex("^([1-9][0-9]?|100)$", tostring(var.runner.max_jobs)))
    error_message = "runner.max_jobs must be a whole number from 1 to 100."
  }

  validation {
    condition     = var.runner.deadline_margin == null || can(regex("^([89]|[1-9][0-9]|[12][0-9]{2}|300)$", tostring(var.runner.deadline_margin)))
    error_message = "runner.deadline_margin must be seconds as a whole number from 8 to 300."
  }

  validation {
    condition     = var.runner.min_job_time == null || can(regex("^(0|[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)$", tostring(var.runner.min_job_time)))
    error_message = "runner.min_job_time must be seconds as a whole number from 0 to 3600."
  }

  validation {
    condition     = length(var.runner.args) <= 100 && alltrue([for arg in var.runner.args : length(arg) > 0])
    error_message = "runner.args must have at most 100 elements, none of them empty."
  }

  # The second form is a short option with its value glued on, told from longer names.
  validation {
    condition = alltrue([
      for arg in var.runner.args :
      !can(regex("^[[:space:]]*-+(?i:url|u|token|t|registration-token|executor|builds-dir|cache-dir|config|c|runner|r|max-builds|shutdown-timeout)([=[:space:]]|$)", arg)) &&
      (!can(regex("^[[:space:]]*-[utcr]", arg)) || can(regex("^[[:space:]]*-(tls-|token-|unhealthy-|clone-|cache-|custom|clean-|request-|rollback-)", arg)))
    ])
    error_message = "runner.args must not hold --url, --token, --registration-token, --executor, --builds-dir, --cache-dir, --config, --runner, --max-builds or --shutdown-timeout, in any spelling: the bootstrap sets them. The number of jobs is runner.max_jobs."
  }
}

variable "job_credentials" {
  description = <<-EOT
    What AWS credentials the job script gets.
    - `mode`: `none`; `role`, a session of the job role as short as the job, the default where there is a job role; or `inherit`, the execution role itself, which can read the runner token, so only for trusted projects.
    - `role_arn`: a job role of your own, in place of `create_job_role`. It must trust the execution role, as `modules/job-role` does.
  EOT
  type = object({
    mode     = optional(string)
    role_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.job_credentials.mode == null ? true : contains(["none", "role", "inherit"], var.job_credentials.mode)
    error_message = "job_credentials.mode must be none, role or inherit."
  }

  validation {
    condition     = var.job_credentials.role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-)+->@-~]+/)?[a-zA-Z0-9_+=,.@-]{1,64}$", var.job_credentials.role_arn))
    error_message = "job_credentials.role_arn must be the ARN of a role, as in \"arn:aws:iam::123456789012:role/jobs\"."
  }
}

variable "create_job_role" {
  description = "Whether to make the role whose session each job gets. It may assume the roles of `accounts` and do what `job_role` says, and nothing else."
  type        = bool
  default     = false
  nullable    = false
}

variable "job_role" {
  description = <<-EOT
    More of the job role that `create_job_role` makes. Every job of this runner has these rights; the runner token is denied whatever they say.
    - `name`: its name (the function's and `-job`).
    - `permissions_boundary_arn`: ARN of a policy that limits what it can ever do (that of `permissions_boundary_arn`).
    - `policy_arns`: ARNs of further policies, by names of your choice.
    - `inline_policies`: further policies of its own, JSON by name.
  EOT
  type = object({
    name                     = optional(string)
    permissions_boundary_arn = optional(string)
    policy_arns              = optional(map(string), {})
    inline_policies          = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.job_role.name == null || can(regex("^[a-zA-Z0-9_+=,.@-]{1,64}$", var.job_role.name))
    error_message = "job_role.name must be 1 to 64 letters, digits and characters of _+=,.@-, as in \"ci-job\"."
  }
}

variable "accounts" {
  description = <<-EOT
    Roles that jobs deploy with, by the name of the profile that a job gets for each (`AWS_PROFILE=prod`). They are kept in an SSM parameter.
    - `role_arn`: exact ARN of the role, as `modules/cross-account-role` makes it.
    - `external_id`: what its trust asks for. A label, not a secret: every job can read it.
    - `region`: region of the profile (the runner's).
    - `duration_seconds`: length of a session, 900 to 3600; with `id_token` up to 43200 (what is left of the job, 900 at least).
    - `session_name`: name of the session, where the account asks for one (it tells project and job).
    - `id_token`: name of the job's variable under `id_tokens:` that holds a token for this account. Then the role is assumed with it, without the job role.
  EOT
  type = map(object({
    role_arn         = string
    external_id      = optional(string)
    region           = optional(string)
    duration_seconds = optional(number)
    session_name     = optional(string)
    id_token         = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.accounts) : can(regex("^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$", name)) && name != "default"])
    error_message = "accounts must have names of 1 to 64 letters, digits and characters of _.- that begin with a letter or digit, and none is \"default\": each becomes a profile, as in { prod = { role_arn = \"...\" } }."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-)+->@-~]+/)?[a-zA-Z0-9_+=,.@-]{1,64}$", account.role_arn))])
    error_message = "accounts[*].role_arn must be the exact ARN of one role, without wildcards, as in \"arn:aws:iam::444455556666:role/deploy\"."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : account.external_id == null ? true : can(regex("^[a-zA-Z0-9_+=,.@:/-]{2,}$", account.external_id)) && length(account.external_id) <= 1224])
    error_message = "accounts[*].external_id must be 2 to 1224 letters, digits and characters of _+=,.@:/-, as in \"runlet-prod\"."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : account.external_id == null || account.id_token == null])
    error_message = "accounts[*].external_id goes with the job role alone: STS knows no external id for an id_token. Leave one of the two out."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : account.region == null || can(regex("^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$", account.region))])
    error_message = "accounts[*].region must be the name of a region, as in \"eu-central-1\"."
  }

  validation {
    condition = alltrue([for account in values(var.accounts) : account.duration_seconds == null ? true : (
      account.duration_seconds >= 900 && account.duration_seconds <= (account.id_token == null ? 3600 : 43200) && floor(account.duration_seconds) == account.duration_seconds
    )])
    error_message = "accounts[*].duration_seconds must be a whole number from 900 to 3600, since STS gives a session over the job role no more than an hour; with id_token up to 43200, as far as the role's max_session_duration."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : account.session_name == null || can(regex("^[a-zA-Z0-9_+=,.@-]{2,64}$", account.session_name))])
    error_message = "accounts[*].session_name must be 2 to 64 letters, digits and characters of _+=,.@-, as in \"AWSAFT-Session\"."
  }

  validation {
    condition     = alltrue([for account in values(var.accounts) : account.id_token == null || can(regex("^[a-zA-Z_][a-zA-Z0-9_]*$", account.id_token))])
    error_message = "accounts[*].id_token must be the name of the job's variable, not the token itself: write \"AWS_ID_TOKEN\" for id_tokens: { AWS_ID_TOKEN: { aud: ... } } in .gitlab-ci.yml."
  }
}

variable "job_session_identity" {
  description = "Whether a job's session carries tags and a source identity that say which job it is. Write false where the trust of a target role cannot be changed to allow `sts:TagSession` and `sts:SetSourceIdentity`."
  type        = bool
  default     = true
  nullable    = false
}

variable "id_token_audience" {
  description = "The `aud` of the job's id_token `RUNLET_ID_TOKEN`. Where a job has one that verifies, its session is also tagged with pipeline source, environment and user login, which GitLab tells the runner in no other way."
  type        = string
  default     = null

  validation {
    condition     = var.id_token_audience == null || can(regex("^[!-~]{1,255}$", var.id_token_audience))
    error_message = "id_token_audience must be the aud that jobs write, 1 to 255 characters without blanks, as in \"https://runlet.example.com\"."
  }
}

variable "provider_mirror" {
  description = <<-EOT
    Where jobs find Terraform's providers without a network; exactly one of the two.
    - `s3`: a zip in S3 of a filesystem mirror, unpacked, as `layer-packer pack --max-unzipped-size` writes it: `bucket`, `key`, `sha256` in hexadecimal, and `kms_key_arn` where the object has a key of its own. It needs 2048 MB of `ephemeral_storage_size` or more.
    - `path`: an absolute folder in the function, of `file_system` or of a layer.
  EOT
  type = object({
    s3 = optional(object({
      bucket      = string
      key         = string
      sha256      = string
      kms_key_arn = optional(string)
    }))
    path = optional(string)
  })
  default = null

  validation {
    condition     = var.provider_mirror == null ? true : (var.provider_mirror.s3 == null) != (var.provider_mirror.path == null)
    error_message = "provider_mirror must name one place: write { s3 = { bucket = \"...\", key = \"...\", sha256 = \"...\" } }, or { path = \"/mnt/providers\" }."
  }

  validation {
    condition     = try(var.provider_mirror.path, null) == null ? true : can(regex("^(/[a-zA-Z0-9_.-]+)+$", var.provider_mirror.path)) && !can(regex("/[.]{1,2}(/|$)", var.provider_mirror.path))
    error_message = "provider_mirror.path must be an absolute folder in the function, without slash at its end, as in \"/mnt/providers\"."
  }

  validation {
    condition = try(var.provider_mirror.s3, null) == null ? true : (
      can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.provider_mirror.s3.bucket)) && can(regex("^[a-zA-Z0-9!_.'()-][a-zA-Z0-9!_.'()/=+@,:-]*$", var.provider_mirror.s3.key)) && length(var.provider_mirror.s3.key) <= 1024
    )
    error_message = "provider_mirror.s3 must name a bucket without s3:// and a key without slash in front, wildcards and blanks, as in { bucket = \"my-artifacts\", key = \"mirror/providers.zip\", sha256 = \"...\" }."
  }

  validation {
    condition     = try(var.provider_mirror.s3, null) == null ? true : can(regex("^[0-9a-f]{64}$", var.provider_mirror.s3.sha256))
    error_message = "provider_mirror.s3.sha256 must be the zip's SHA-256 in 64 small hexadecimal digits, as sha256sum and layer-packer --json print it; the base64 form is another one."
  }

  validation {
    condition     = try(var.provider_mirror.s3.kms_key_arn, null) == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.provider_mirror.s3.kms_key_arn))
    error_message = "provider_mirror.s3.kms_key_arn must be the ARN of a key (not an alias), as in \"arn:aws:kms:eu-central-1:123456789012:key/...\"."
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

variable "environment_variables" {
  description = "Further environment variables of the function, 4 KB together with the settings. gitlab-runner and the job see none of them. Secrets do not belong here."
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

  validation {
    condition = alltrue([
      for name in keys(var.environment_variables) :
      !contains(["CI_SERVER_URL", "CI_SERVER_TLS_CA_FILE", "CI_SERVER_TOKEN", "RUNNER_NAME"], name) && !startswith(name, "RUNLET_")
    ])
    error_message = "environment_variables must not hold the bootstrap's settings: use the inputs gitlab, runner, token, job_credentials, accounts, id_token_audience, job_session_identity and provider_mirror."
  }
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
  description = "ARN of an SQS queue or SNS topic that gets asynchronous events which failed or grew too old."
  type        = string
  default     = null

  validation {
    condition     = var.dead_letter_target_arn == null || can(regex("^arn:aws[a-z-]*:(sqs|sns):[a-z0-9-]+:[0-9]{12}:[^:]+$", var.dead_letter_target_arn))
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

variable "create_role" {
  description = "Whether to make the execution role. Left out, it is made where there is no `role_arn`; write false beside a `role_arn` that is known only after an apply, as that of a role in the same configuration."
  type        = bool
  default     = null
}

variable "role_arn" {
  description = "ARN of an execution role of your own, in place of the one made here; `modules/execution-role` says what it must allow."
  type        = string
  default     = null

  validation {
    condition     = var.role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "role_arn must be the ARN of a role, as in \"arn:aws:iam::123456789012:role/ci-runner\"."
  }
}

variable "role_path" {
  description = "Path in IAM of the roles made here."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-)+->@-~]+/)?$", var.role_path))
    error_message = "role_path must begin and end with a slash, without blanks and wildcards, as in \"/ci/\"."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of a policy that limits what the roles made here can ever do."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy, as in \"arn:aws:iam::123456789012:policy/boundary\"."
  }
}

variable "role_policy_arns" {
  description = "ARNs of further policies for the execution role, by names of your choice. With job credentials `inherit` every job has these rights."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.role_policy_arns) : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", arn))])
    error_message = "role_policy_arns must hold ARNs of policies, as in { deploy = \"arn:aws:iam::123456789012:policy/deploy\" }."
  }
}

variable "tags" {
  description = "Tags of everything made here. None may begin with `runlet:`, as the tags of a job's session do."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.tags) : !startswith(lower(name), "runlet:")])
    error_message = "tags must not begin with \"runlet:\": on the job role IAM would take such a tag for one that a job's session lacks. Write another name, as in { team = \"platform\" }."
  }
}
