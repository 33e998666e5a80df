# SPDX-License-Identifier: Apache-2.0

# What would trust too much, or could never match. Each run changes one thing of a trust that is fine.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\":[]}" }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::444455556666:oidc-provider/gitlab.example.com" }
  }
}

variables {
  issuer_url = "https://gitlab.example.com"
  audiences  = ["https://gitlab.example.com"]
  roles      = { deploy = { subjects = [{ project_path = "group/app", ref_type = "branch", ref = "main" }] } }
}

run "refuses_an_issuer_without_https" {
  command = plan

  variables {
    issuer_url = "gitlab.example.com"
  }

  expect_failures = [var.issuer_url]
}

run "refuses_an_issuer_with_a_slash_at_its_end" {
  command = plan

  variables {
    issuer_url = "https://gitlab.example.com/"
  }

  expect_failures = [var.issuer_url]
}

run "refuses_an_issuer_with_a_port" {
  command = plan

  variables {
    issuer_url = "https://gitlab.example.com:8443"
  }

  expect_failures = [var.issuer_url]
}

run "refuses_no_audience" {
  command = plan

  variables {
    audiences = []
  }

  expect_failures = [var.audiences]
}

run "refuses_a_wildcard_for_an_audience" {
  command = plan

  variables {
    audiences = ["https://*"]
  }

  expect_failures = [var.audiences]
}

run "refuses_a_thumbprint_with_colons" {
  command = plan

  variables {
    thumbprints = ["01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67"]
  }

  expect_failures = [var.thumbprints]
}

run "refuses_a_sub_that_begins_with_the_ref" {
  command = plan

  variables {
    sub_claim_components = ["ref", "project_path"]
  }

  expect_failures = [var.sub_claim_components]
}

run "refuses_a_sub_of_nothing" {
  command = plan

  variables {
    sub_claim_components = []
  }

  expect_failures = [var.sub_claim_components]
}

run "refuses_an_environment_in_the_sub" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "ref_type", "ref", "environment"]
  }

  expect_failures = [var.sub_claim_components]
}

run "refuses_a_user_in_the_sub" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "ref_type", "ref", "user_login"]
  }

  expect_failures = [var.sub_claim_components]
}

run "refuses_a_component_that_gitlab_does_not_know" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "ref_type", "ref", "pipeline_source"]
  }

  expect_failures = [var.sub_claim_components]
}

run "refuses_a_component_named_twice" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "ref_type", "ref", "ref"]
  }

  expect_failures = [var.sub_claim_components]
}

run "refuses_a_role_without_sub" {
  command = plan

  variables {
    roles = { deploy = { subjects = [] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_subject_of_any_project" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ ref_type = "branch", ref = "main" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_project_named_twice" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", project_id = "7" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_wildcard_over_namespaces" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/*" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_pattern_over_namespaces_unasked" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path_pattern = "group/*" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_pattern_over_top_level_groups" {
  command = plan

  variables {
    roles = { deploy = { allow_namespace_wildcards = true, subjects = [{ project_path_pattern = "*/app" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_pattern_of_everything" {
  command = plan

  variables {
    roles = { deploy = { allow_namespace_wildcards = true, subjects = [{ project_path_pattern = "*" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_group_alone" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_path_for_an_id" {
  command = plan

  variables {
    sub_claim_components = ["project_id", "ref_type", "ref"]
    roles                = { deploy = { subjects = [{ project_id = "group/app" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_component_that_is_not_in_the_sub" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref_protected = true }] } }
  }

  expect_failures = [output.role_arns]
}

run "refuses_an_id_where_the_sub_has_the_path" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_id = "7", ref = "main" }] } }
  }

  expect_failures = [output.role_arns]
}

run "refuses_the_name_of_an_environment" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", environment = "production" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_user_in_a_subject" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", user_login = "root" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_claim_as_part_of_a_subject" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", pipeline_source = "push" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_merge_requests_as_type" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref_type = "mr" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_an_unknown_type" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref_type = "commit" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_full_ref" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref = "refs/heads/main" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_ref_with_a_colon" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref = "main:x" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_ref_that_would_become_a_variable" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref = "&{aws:username}" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_ref_and_a_pattern" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app", ref = "main", ref_pattern = "ma*" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_word_for_protected" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "ref_protected"]
    roles                = { deploy = { subjects = [{ project_path = "group/app", ref_protected = "yes" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_an_environment_for_a_tier" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "deployment_tier"]
    roles                = { deploy = { subjects = [{ project_path = "group/app", deployment_tier = "live" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_claims_of_another_host" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app" }], claims = { project_id = { values = ["7"] } } } }
  }

  expect_failures = [output.role_arns]
}

run "refuses_a_claim_that_aws_does_not_know" {
  command = plan

  variables {
    issuer_url = "https://gitlab.com"
    roles      = { deploy = { subjects = [{ project_path = "group/app" }], claims = { environment = { values = ["production"] } } } }
  }

  expect_failures = [var.roles]
}

run "refuses_for_all_values" {
  command = plan

  variables {
    issuer_url = "https://gitlab.com"
    roles      = { deploy = { subjects = [{ project_path = "group/app" }], claims = { project_id = { test = "ForAllValues:StringEquals", values = ["7"] } } } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_negation" {
  command = plan

  variables {
    issuer_url = "https://gitlab.com"
    roles      = { deploy = { subjects = [{ project_path = "group/app" }], claims = { project_id = { test = "StringNotEquals", values = ["7"] } } } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_wildcard_that_is_compared_to_the_letter" {
  command = plan

  variables {
    issuer_url = "https://gitlab.com"
    roles      = { deploy = { subjects = [{ project_path = "group/app" }], claims = { user_login = { values = ["ops-*"] } } } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_claim_without_values" {
  command = plan

  variables {
    issuer_url = "https://gitlab.com"
    roles      = { deploy = { subjects = [{ project_path = "group/app" }], claims = { project_id = { values = [] } } } }
  }

  expect_failures = [var.roles]
}

run "refuses_an_audience_that_the_module_does_not_list" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app" }], audiences = ["aws"] } }
  }

  expect_failures = [output.role_arns]
}

run "refuses_a_role_without_audience" {
  command = plan

  variables {
    roles = { deploy = { subjects = [{ project_path = "group/app" }], audiences = [] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_name_with_blanks" {
  command = plan

  variables {
    roles = { "my role" = { subjects = [{ project_path = "group/app" }] } }
  }

  expect_failures = [var.roles]
}

run "refuses_a_null_for_a_component" {
  command = plan

  variables {
    sub_claim_components = ["project_path", "ref_protected", "deployment_tier"]
    roles                = { deploy = { subjects = [{ project_path = "group/app", ref_protected = null, deployment_tier = null }] } }
  }

  expect_failures = [var.roles]
}
