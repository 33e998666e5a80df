# SPDX-License-Identifier: Apache-2.0

# What would trust too much, or could never match. Each run changes one thing of a trust that is fine.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\":[]}" }
  }
}

variables {
  name = "deploy"
}

run "refuses_a_wildcard_for_a_provider" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/*"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_host_with_a_scheme" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "https://gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_host_that_ends_as_the_providers" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_no_subject" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = []
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_any_subject" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["*"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_subject_without_a_project" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_group_as_a_project" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_wildcard_over_a_namespace" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/*:ref_type:branch:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_wildcard_at_the_end_of_a_path" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app*"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_wildcard_over_top_level_groups" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn              = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host                      = "gitlab.example.com"
      subjects                  = ["project_path:gr*/app:ref_type:branch:ref:main"]
      audiences                 = ["https://gitlab.example.com"]
      allow_namespace_wildcards = true
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_wildcard_in_a_project_id" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn              = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host                      = "gitlab.example.com"
      subjects                  = ["project_id:7*"]
      audiences                 = ["https://gitlab.example.com"]
      allow_namespace_wildcards = true
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_an_environment_in_a_subject" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:environment:production"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_the_ref_type_of_merge_requests_in_a_subject" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:mr:ref:main"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_policy_variable_in_a_subject" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:&{aws:username}"]
      audiences    = ["https://gitlab.example.com"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_no_audience" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = []
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_wildcard_as_audience" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["*"]
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_claims_of_another_host" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com"
      host         = "gitlab.example.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["aws"]
      claims       = { project_id = { values = ["7"] } }
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_claim_that_aws_does_not_know" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
      host         = "gitlab.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["aws"]
      claims       = { environment = { values = ["production"] } }
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_for_all_values" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
      host         = "gitlab.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["aws"]
      claims       = { project_id = { test = "ForAllValues:StringEquals", values = ["7"] } }
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_negation" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
      host         = "gitlab.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["aws"]
      claims       = { project_id = { test = "StringNotEquals", values = ["7"] } }
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_wildcard_that_is_compared_to_the_letter" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
      host         = "gitlab.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["aws"]
      claims       = { user_login = { values = ["ops-*"] } }
    }
  }

  expect_failures = [var.gitlab_oidc]
}

run "refuses_a_claim_without_values" {
  command = plan

  variables {
    gitlab_oidc = {
      provider_arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.com"
      host         = "gitlab.com"
      subjects     = ["project_path:group/app:ref_type:branch:ref:main"]
      audiences    = ["aws"]
      claims       = { project_id = { values = [] } }
    }
  }

  expect_failures = [var.gitlab_oidc]
}
