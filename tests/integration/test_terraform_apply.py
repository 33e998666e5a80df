# SPDX-License-Identifier: Apache-2.0
"""The modules applied to the local cloud: what they make, and that a second plan is empty.

The zips are small stand-ins: what a job does with the real ones is tested end to end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import LocalCloud
from localcloud.terraform import Terraform

REPO = Path(__file__).resolve().parents[2]
NAME = "runlet-quick-start"
FILES = {
    "bootstrap": "bootstrap.zip",
    "gitlab-runner": "gitlab-runner-layer.zip",
    "git": "git-layer.zip",
    "opentofu": "opentofu-layer.zip",
    "assume-role": "assume-role-layer.zip",
}

EVERY_OPTION = """
provider "aws" {
  s3_use_path_style = true
}

variable "artifacts" {
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
  name_prefix = "ci-"
  vpc_id      = aws_vpc.ci.id
}

resource "aws_kms_key" "ci" {}

resource "aws_sqs_queue" "dead" {
  name = "ci-dead"
}

resource "aws_s3_bucket" "artifacts" {
  bucket        = "ci-artifacts"
  force_destroy = true
}

resource "aws_s3_object" "artifact" {
  for_each = jsondecode(file("${var.artifacts}/artifacts.json"))["x86_64"]

  bucket = aws_s3_bucket.artifacts.bucket
  key    = "runlet/${each.value.sha256}/${basename(each.value.path)}"
  source = "${var.artifacts}/${each.value.path}"
}

resource "aws_ssm_parameter" "token" {
  name   = "/ci/runner-token"
  type   = "SecureString"
  key_id = aws_kms_key.ci.arn
  value  = "put in by hand"
}

module "runner" {
  source = "../../terraform"

  name_prefix  = "ci-"
  artifacts    = var.artifacts
  artifacts_s3 = { bucket = aws_s3_object.artifact["bootstrap"].bucket }
  gitlab = {
    url         = "https://gitlab.example.com"
    extra_hosts = { "gitlab.example.com" = ["10.0.0.7"] }
  }
  token = {
    parameter_name = aws_ssm_parameter.token.name
    kms_key_arn    = aws_kms_key.ci.arn
  }
  runner = { deadline_margin = 8, args = ["--output-limit", "16384"], max_jobs = 3 }

  timeout                        = 600
  memory_size                    = 3008
  ephemeral_storage_size         = 4096
  reserved_concurrent_executions = 5
  maximum_retry_attempts         = 1
  maximum_event_age_in_seconds   = 3600
  dead_letter_target_arn         = aws_sqs_queue.dead.arn
  dead_letter_kms_key_arn        = aws_kms_key.ci.arn
  kms_key_arn                    = aws_kms_key.ci.arn
  log_kms_key_arn                = aws_kms_key.ci.arn
  log_retention_in_days          = 365
  application_log_level          = "DEBUG"
  system_log_level               = "WARN"
  tracing_mode                   = "Active"
  role_path                      = "/ci/"
  tags                           = { team = "ci" }

  vpc = {
    subnet_ids         = [aws_subnet.ci.id]
    security_group_ids = [aws_security_group.ci.id]
  }

  depends_on = [aws_s3_object.artifact]
}

output "function_name" {
  value = module.runner.function_name
}

output "role_name" {
  value = module.runner.role_name
}
"""


def pack(dist: Path, contents: dict[str, str]) -> None:
    """Writes stand-ins for what `make dist` makes, with their artifacts.json."""
    (dist / "x86_64").mkdir(parents=True, exist_ok=True)
    index = {}
    for name, content in contents.items():
        path = dist / "x86_64" / FILES[name]
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), content)
        data = path.read_bytes()
        digest = hashlib.sha256(data)
        index[name] = {
            "path": f"x86_64/{FILES[name]}",
            "sha256": digest.hexdigest(),
            "source_code_hash": base64.b64encode(digest.digest()).decode(),
            "size": len(data),
            "unzipped_size": len(content),
            "version": "1",
        }
    (dist / "artifacts.json").write_text(json.dumps({"x86_64": index}))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    pack(folder, dict.fromkeys(FILES, "one"))
    return folder


def changes(terraform: Terraform, variables: dict[str, str]) -> dict[str, list[str]]:
    """What a plan would do, by address; what stays as it is is left out."""
    arguments = [f"-var={name}={value}" for name, value in variables.items()]
    terraform.run("plan", "-input=false", "-out=plan", *arguments)
    plan = json.loads(terraform.run("show", "-json", "plan").stdout)
    return {
        change["address"]: change["change"]["actions"]
        for change in plan["resource_changes"]
        if change["change"]["actions"] not in (["no-op"], ["read"])
    }


def assert_settled(terraform: Terraform, variables: dict[str, str]) -> None:
    empty, said = terraform.plan_is_empty(variables)
    assert empty, said


def policy(cloud: LocalCloud, role: str, name: str = "execution") -> dict[str, Any]:
    """The statements of a role's policy by their Sid."""
    answer = cloud.aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {one["Sid"]: one for one in answer["PolicyDocument"]["Statement"]}


def test_quick_start_is_complete_and_settled(cloud: LocalCloud, tmp_path: Path, dist: Path) -> None:
    terraform = Terraform("quick-start", tmp_path, cloud.aws.environ(), artifacts=dist)
    variables = {"gitlab_url": "https://gitlab.example.com"}
    terraform.init()

    terraform.apply(variables)

    outputs = terraform.outputs()
    client = cloud.aws.client("lambda")
    function = client.get_function_configuration(FunctionName=outputs["function_name"])
    assert function["Handler"] == "run"
    assert function["Environment"]["Variables"] == {
        "CI_SERVER_URL": "https://gitlab.example.com",
        "RUNLET_TOKEN_SECRET_ARN": outputs["token_secret_arn"],
    }
    assert [layer["Arn"].split(":")[-2] for layer in function["Layers"]] == [
        f"{NAME}-gitlab-runner",
        f"{NAME}-git",
    ]
    for qualifier in ("$LATEST", outputs["alias_name"]):
        events = client.get_function_event_invoke_config(FunctionName=NAME, Qualifier=qualifier)
        assert events["MaximumRetryAttempts"] == 0
    statements = policy(cloud, NAME)
    assert set(statements) == {"WriteLogs", "ReadRunnerToken"}
    assert statements["ReadRunnerToken"]["Resource"] == outputs["token_secret_arn"]
    secret = cloud.aws.client("secretsmanager").describe_secret(
        SecretId=outputs["token_secret_arn"]
    )
    assert not secret.get("VersionIdsToStages"), "Terraform has put a value into the secret"
    assert_settled(terraform, variables)

    # A new bootstrap: its function, and the alias that follows its version, and no layer.
    pack(dist, {**dict.fromkeys(FILES, "one"), "bootstrap": "two"})
    assert changes(terraform, variables) == {
        "module.runner.module.function.aws_lambda_function.this[0]": ["update"],
        "module.runner.module.function.aws_lambda_alias.this[0]": ["update"],
    }

    terraform.destroy(variables)


def test_every_option_is_applied_and_settled(cloud: LocalCloud, tmp_path: Path, dist: Path) -> None:
    terraform = Terraform("quick-start", tmp_path, cloud.aws.environ(), artifacts=dist)
    shutil.rmtree(terraform.folder)
    terraform.folder.mkdir()
    (terraform.folder / "main.tf").write_text(EVERY_OPTION)
    variables = {"artifacts": "../../dist"}
    terraform.init()

    terraform.apply(variables)

    outputs = terraform.outputs()
    name = outputs["function_name"]
    assert name.startswith("ci-")
    function = cloud.aws.client("lambda").get_function_configuration(FunctionName=name)
    assert function["DeadLetterConfig"]["TargetArn"].endswith(":ci-dead")
    assert function["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"
    assert function["EphemeralStorage"]["Size"] == 4096
    assert function["Environment"]["Variables"] == {
        "CI_SERVER_URL": "https://gitlab.example.com",
        "RUNLET_DEADLINE_MARGIN": "8",
        "RUNLET_EXTRA_HOSTS": '{"gitlab.example.com":["10.0.0.7"]}',
        "RUNLET_MAX_JOBS": "3",
        "RUNLET_RUNNER_ARGS": '["--output-limit","16384"]',
        "RUNLET_TOKEN_PARAMETER": "/ci/runner-token",
    }
    statements = policy(cloud, outputs["role_name"])
    assert statements["ReadRunnerToken"]["Resource"].endswith(":parameter/ci/runner-token")
    assert statements["SendToDeadLetterTarget"]["Action"] == "sqs:SendMessage"
    assert statements["KeepInterfacesFromCode"]["Effect"] == "Deny"
    assert_settled(terraform, variables)

    terraform.destroy(variables)
