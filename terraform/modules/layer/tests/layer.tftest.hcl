# SPDX-License-Identifier: Apache-2.0

mock_provider "aws" {
  mock_resource "aws_lambda_layer_version" {
    defaults = { version = "1" }
  }
}

variables {
  name = "runlet-git"
  package = {
    path             = "dist/x86_64/git-layer.zip"
    source_code_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
  }
}

run "publishes_a_file_by_its_hash" {
  command = plan

  assert {
    condition     = aws_lambda_layer_version.this[0].filename == "dist/x86_64/git-layer.zip"
    error_message = "The file is not the one that was given."
  }

  assert {
    condition     = aws_lambda_layer_version.this[0].source_code_hash == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    error_message = "The hash is not the one that was given."
  }

  assert {
    condition     = length(aws_lambda_layer_version_permission.this) == 0
    error_message = "A layer is shared with nobody unless asked."
  }
}

run "publishes_an_object_of_s3" {
  command = plan

  variables {
    package = {
      s3_bucket        = "artifacts"
      s3_key           = "runlet/abc/git-layer.zip"
      source_code_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    }
  }

  assert {
    condition     = aws_lambda_layer_version.this[0].s3_key == "runlet/abc/git-layer.zip" && aws_lambda_layer_version.this[0].filename == null
    error_message = "The object in S3 is not used."
  }
}

run "takes_the_hash_from_a_file_that_stands_alone" {
  command = plan

  variables {
    package = { path = "versions.tf" }
  }

  assert {
    condition     = aws_lambda_layer_version.this[0].source_code_hash == filebase64sha256("versions.tf")
    error_message = "The hash is not that of the file."
  }
}

run "shares_with_an_account_and_an_organization" {
  command = apply

  variables {
    permissions = {
      spoke        = { principal = "111122223333" }
      organization = { principal = "*", organization_id = "o-a1b2c3d4e5" }
    }
  }

  assert {
    condition     = aws_lambda_layer_version_permission.this["organization"].organization_id == "o-a1b2c3d4e5"
    error_message = "The grant is not limited to the organization."
  }

  assert {
    condition     = alltrue([for p in aws_lambda_layer_version_permission.this : p.action == "lambda:GetLayerVersion"])
    error_message = "A grant allows something else than reading the version."
  }
}

run "makes_nothing_when_told_so" {
  command = plan

  variables {
    create = false
  }

  assert {
    condition     = output.arn == null && output.layer_arn == null && output.name == null && output.version == null && output.source_code_hash == null
    error_message = "An output is not null."
  }
}

run "refuses_a_file_and_an_object_together" {
  command = plan

  variables {
    package = { path = "a.zip", s3_bucket = "b", s3_key = "k", source_code_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  }

  expect_failures = [var.package]
}

run "refuses_an_object_without_its_hash" {
  command = plan

  variables {
    package = { s3_bucket = "artifacts", s3_key = "k" }
  }

  expect_failures = [var.package]
}

run "refuses_a_hexadecimal_hash" {
  command = plan

  variables {
    package = { path = "a.zip", source_code_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
  }

  expect_failures = [var.package]
}

run "refuses_to_share_with_everybody" {
  command = plan

  variables {
    permissions = { all = { principal = "*" } }
  }

  expect_failures = [var.permissions]
}

run "refuses_another_architecture" {
  command = plan

  variables {
    compatible_architectures = ["riscv64"]
  }

  expect_failures = [var.compatible_architectures]
}
