# SPDX-License-Identifier: Apache-2.0

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\":[]}" }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn       = "arn:aws:iam::444455556666:role/deploy"
      unique_id = "AROAEXAMPLE"
    }
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

run "gives_out_the_role" {
  command = apply

  assert {
    condition     = output.arn == "arn:aws:iam::444455556666:role/deploy" && output.name == "deploy" && output.unique_id == "AROAEXAMPLE" && output.trust_policy_json == "{\"Statement\":[]}"
    error_message = "The outputs are not the role's."
  }
}
