# SPDX-License-Identifier: Apache-2.0

resource "aws_lambda_layer_version" "this" {
  count = var.create ? 1 : 0

  layer_name   = var.name
  description  = var.description
  license_info = var.license_info

  filename          = var.package.path
  s3_bucket         = var.package.s3_bucket
  s3_key            = var.package.s3_key
  s3_object_version = var.package.s3_object_version
  # Given, so that a plan needs no copy of the file and two machines agree on it.
  source_code_hash = var.package.source_code_hash != null ? var.package.source_code_hash : filebase64sha256(var.package.path)

  compatible_architectures = var.compatible_architectures
  compatible_runtimes      = var.compatible_runtimes
  skip_destroy             = var.skip_destroy
}

resource "aws_lambda_layer_version_permission" "this" {
  for_each = var.create ? var.permissions : {}

  layer_name      = aws_lambda_layer_version.this[0].layer_arn
  version_number  = aws_lambda_layer_version.this[0].version
  statement_id    = each.key
  action          = "lambda:GetLayerVersion"
  principal       = each.value.principal
  organization_id = each.value.organization_id
  skip_destroy    = var.skip_destroy
}
