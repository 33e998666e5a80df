# SPDX-License-Identifier: Apache-2.0
"""The root module with a provider mirror on EFS: access point, mount and right go together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import CA_IN_SANDBOX, Publisher
from e2e.stage import output_of
from e2e.test_provider_mirror import PLATFORM, small_tree
from localcloud import LocalCloud
from localcloud.gitlab import Project
from localcloud.terraform import Terraform

CONFIGURATION = """
provider "aws" {}

variable "gitlab_url" {
  type = string
}

variable "ca_layer_arn" {
  type = string
}

variable "token_secret_arn" {
  type = string
}

resource "aws_vpc" "ci" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "ci" {
  vpc_id     = aws_vpc.ci.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_security_group" "ci" {
  name_prefix = "mounted-"
  vpc_id      = aws_vpc.ci.id
}

resource "aws_efs_file_system" "providers" {}

resource "aws_efs_mount_target" "providers" {
  file_system_id  = aws_efs_file_system.providers.id
  subnet_id       = aws_subnet.ci.id
  security_groups = [aws_security_group.ci.id]
}

resource "aws_efs_access_point" "providers" {
  file_system_id = aws_efs_file_system.providers.id
}

module "runner" {
  source = "../../terraform"

  name             = "mounted"
  artifacts        = "../../dist"
  gitlab           = { url = var.gitlab_url, tls_ca_file = "CA_FILE" }
  token            = { secret_arn = var.token_secret_arn }
  extra_layer_arns = [var.ca_layer_arn]

  file_system = {
    access_point_arn = aws_efs_access_point.providers.arn
    local_mount_path = "/mnt/shared"
  }
  provider_mirror = { path = "/mnt/shared/providers" }

  vpc = {
    subnet_ids         = [aws_subnet.ci.id]
    security_group_ids = [aws_security_group.ci.id]
  }

  depends_on = [aws_efs_mount_target.providers]
}

output "access_point_arn" {
  value = aws_efs_access_point.providers.arn
}

output "file_system_arn" {
  value = aws_efs_file_system.providers.arn
}

output "function_name" {
  value = module.runner.function_name
}

output "role_arn" {
  value = module.runner.role_arn
}
"""


@dataclass
class Mounted:
    cloud: LocalCloud
    project: Project
    terraform: Terraform
    variables: dict[str, str]
    outputs: dict[str, Any]


@pytest.fixture
def mounted(
    cloud: LocalCloud, ca_layer: Path, publish: Publisher, tmp_path: Path
) -> Iterator[Mounted]:
    runner = cloud.gitlab.create_runner(tags=["mounted"], run_untagged=False)
    secret = cloud.aws.client("secretsmanager").create_secret(
        Name="mounted/token", SecretString=runner.token
    )
    variables = {
        "gitlab_url": cloud.gitlab.url,
        "ca_layer_arn": publish(ca_layer),
        "token_secret_arn": secret["ARN"],
    }
    terraform = Terraform("quick-start", tmp_path / "terraform", cloud.aws.environ())
    shutil.rmtree(terraform.folder)
    terraform.folder.mkdir()
    text = CONFIGURATION.replace("CA_FILE", CA_IN_SANDBOX)
    (terraform.folder / "main.tf").write_text(text)
    terraform.init()
    terraform.apply(variables)
    outputs = terraform.outputs()
    # What somebody else wrote into the file system, which the function mounts.
    shared = tmp_path / "shared"
    small_tree(shared / "providers")
    for folder in (tmp_path, shared, shared / "providers"):
        folder.chmod(0o755)
    cloud.file_systems[outputs["access_point_arn"]] = shared
    project = cloud.gitlab.create_project("mounted/project")
    yield Mounted(cloud, project, terraform, variables, outputs)
    cloud.functions.drop_environments(outputs["function_name"])
    terraform.destroy(variables)


def test_jobs_find_the_mirror_that_terraform_mounts(mounted: Mounted) -> None:
    cloud, outputs = mounted.cloud, mounted.outputs
    provider = f"/mnt/shared/providers/{PLATFORM}/terraform-provider-small_v1.2.3"
    script = f"[{provider}, cat $TF_CLI_CONFIG_FILE, touch /mnt/shared/evil || echo refused]"
    pipeline = mounted.project.commit(
        {".gitlab-ci.yml": f"job: {{tags: [mounted], script: {script}}}"}
    )
    assert pipeline is not None

    invocation = cloud.invoke(outputs["function_name"])

    said = output_of(pipeline.job("job"))
    assert invocation.answer["status"] == "job_succeeded", f"{invocation.response}\n{said}"
    assert "the true provider" in said and "refused" in said
    assert 'path    = "/mnt/shared/providers"' in said

    # It may mount by this access point, and by nothing that lets it write.
    point = {"elasticfilesystem:AccessPointArn": outputs["access_point_arn"]}
    other = {"elasticfilesystem:AccessPointArn": outputs["access_point_arn"][:-1] + "x"}
    for action, context, allowed in (
        ("ClientMount", point, True),
        ("ClientMount", other, False),
        ("ClientMount", {}, False),
        ("ClientWrite", point, False),
        ("ClientRootAccess", point, False),
    ):
        resource = outputs["file_system_arn"]
        may = cloud.sts.allows(
            outputs["role_arn"], f"elasticfilesystem:{action}", resource, context
        )
        assert may == allowed, (action, context)
    empty, plan = mounted.terraform.plan_is_empty(mounted.variables)
    assert empty, plan
