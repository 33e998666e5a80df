# SPDX-License-Identifier: Apache-2.0

# What would trust too much, or could never match. Each run changes one thing of a trust that is fine.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\":[]}" }
  }
}

variables {
  name = "deploy"
  job_roles = {
    runner = {
      arn          = "arn:aws:iam::111122223333:role/runlet-job"
      external_id  = "runlet-prod"
      session_tags = { project_id = ["7"] }
    }
  }
}

run "refuses_a_wildcard_for_a_role" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/*"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_wildcard_for_an_account" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::*:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_everybody" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "*"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_whole_account_by_its_root" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:root"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_whole_account_by_its_id" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "111122223333"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_user" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:user/ci"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_session_as_a_principal" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:sts::111122223333:assumed-role/runlet-job/job-41"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_wildcard_as_external_id" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-*"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_job_role_without_tags" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = {}
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_tags_that_name_no_project" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { protected = ["true"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_ref_without_protected" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], ref = ["main"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_ref_beside_either_protected" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], ref = ["main"], protected = ["true", "false"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_tag_that_jobs_do_not_have" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], environment_tier = ["prod"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_tag_without_values" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = [] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_an_empty_value" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_path = [""] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_wildcard_in_a_tag" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_path = ["group/*"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_character_that_tags_cannot_have" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], ref = ["feature#1"], protected = ["true"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_letter_that_the_runner_hashes" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], ref = ["größe"], protected = ["true"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_path_as_project_id" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["group/app"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_another_word_for_protected" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], protected = ["yes"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_merge_request_as_ref_type" {
  command = plan

  variables {
    job_roles = {
      runner = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"], ref_type = ["mr"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_name_that_makes_no_statement_id" {
  command = plan

  variables {
    job_roles = {
      "the-runner" = {
        arn          = "arn:aws:iam::111122223333:role/runlet-job"
        external_id  = "runlet-prod"
        session_tags = { project_id = ["7"] }
      }
    }
  }

  expect_failures = [var.job_roles]
}

run "refuses_a_wildcard_in_the_session_name" {
  command = plan

  variables {
    session_name = "AWSAFT-*"
  }

  expect_failures = [var.session_name]
}

run "refuses_a_session_below_iams_hour" {
  command = plan

  variables {
    max_session_duration = 900
  }

  expect_failures = [var.max_session_duration]
}

run "refuses_a_role_as_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::444455556666:role/boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "refuses_a_name_as_policy" {
  command = plan

  variables {
    policy_arns = { deploy = "deploy" }
  }

  expect_failures = [var.policy_arns]
}

run "refuses_an_arn_as_inline_policy" {
  command = plan

  variables {
    inline_policies = { deploy = "arn:aws:iam::444455556666:policy/deploy" }
  }

  expect_failures = [var.inline_policies]
}

run "refuses_a_name_with_a_slash" {
  command = plan

  variables {
    name = "ci/deploy"
  }

  expect_failures = [var.name]
}

run "refuses_to_trust_nobody" {
  command = plan

  variables {
    job_roles = {}
  }

  expect_failures = [aws_iam_role.this]
}

run "refuses_an_inline_policy_by_a_name_with_blanks" {
  command = plan

  variables {
    inline_policies = { "my policy" = "{\"Statement\":[]}" }
  }

  expect_failures = [var.inline_policies]
}

run "refuses_a_path_without_slashes" {
  command = plan

  variables {
    path = "ci"
  }

  expect_failures = [var.path]
}

run "refuses_a_wildcard_in_the_path" {
  command = plan

  variables {
    path = "/ci/*/"
  }

  expect_failures = [var.path]
}
