# SPDX-License-Identifier: Apache-2.0
"""What jobs get in AWS, applied to the local cloud: job role, accounts, trust by OIDC."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from integration.test_terraform_apply import FILES, assert_settled, pack, policy
from localcloud import LocalCloud
from localcloud.aws import REGION
from localcloud.terraform import Terraform

ROLE_MODE = """
provider "aws" {
  s3_use_path_style = true
}

variable "artifacts" {
  type = string
}

resource "aws_ssm_parameter" "token" {
  name  = "/ci/runner-token"
  type  = "SecureString"
  value = "put in by hand"
}

data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["ssm:*"]
    resources = ["*"]
  }
}

module "deploy" {
  source = "../../terraform/modules/cross-account-role"

  name = "deploy"
  job_roles = {
    runner = {
      arn          = module.runner.job_role_arn
      external_id  = "runlet-prod"
      session_tags = { project_id = ["7"], protected = ["true"] }
    }
  }
}

module "gitlab" {
  source = "../../terraform/modules/gitlab-oidc"

  issuer_url = "https://gitlab.example.com"
  audiences  = ["https://gitlab.example.com"]
  roles = {
    deploy = {
      name     = "deploy-by-token"
      subjects = [{ project_path = "group/app", ref_type = "branch", ref = "main" }]
    }
  }
}

# The second module of an account finds the provider that is there.
module "gitlab_again" {
  source = "../../terraform/modules/gitlab-oidc"

  issuer_url           = "https://gitlab.example.com"
  create_provider      = false
  audiences            = ["https://gitlab.example.com"]
  sub_claim_components = ["project_id", "ref_protected"]
  roles                = { plan = { subjects = [{ project_id = 7, ref_protected = true }] } }

  depends_on = [module.gitlab]
}

module "runner" {
  source = "../../terraform"

  name            = "jobs"
  artifacts       = var.artifacts
  role_path       = "/ci/"
  gitlab          = { url = "https://gitlab.example.com" }
  token           = { parameter_name = aws_ssm_parameter.token.name }
  create_job_role = true
  job_role        = { inline_policies = { read = data.aws_iam_policy_document.read.json } }
  accounts = {
    prod = { role_arn = module.deploy.arn, external_id = "runlet-prod" }
    dev  = { role_arn = module.gitlab.role_arns["deploy"], id_token = "AWS_ID_TOKEN" }
  }
  id_token_audience = "https://runlet.example.com"

  ephemeral_storage_size = 2048
  provider_mirror = {
    s3 = {
      bucket = "artifacts"
      key    = "mirror/providers.zip"
      sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
  }
}

output "deploy_role_arn" {
  value = module.deploy.arn
}

output "gitlab_role_arns" {
  value = merge(module.gitlab.role_arns, module.gitlab_again.role_arns)
}

output "provider_arns" {
  value = [module.gitlab.provider_arn, module.gitlab_again.provider_arn]
}

output "function_name" {
  value = module.runner.function_name
}

output "role_name" {
  value = module.runner.role_name
}

output "role_arn" {
  value = module.runner.role_arn
}

output "job_role_arn" {
  value = module.runner.job_role_arn
}

output "job_role_name" {
  value = module.runner.job_role_name
}

output "accounts_parameter_name" {
  value = module.runner.accounts_parameter_name
}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        yield running


def configuration(cloud: LocalCloud, folder: Path, text: str) -> Terraform:
    dist = folder / "dist"
    pack(dist, dict.fromkeys(FILES, "one"))
    terraform = Terraform("quick-start", folder, cloud.aws.environ(), artifacts=dist)
    shutil.rmtree(terraform.folder)
    terraform.folder.mkdir()
    (terraform.folder / "main.tf").write_text(text)
    terraform.init()
    return terraform


def trust(cloud: LocalCloud, role: str) -> list[dict[str, Any]]:
    document = cloud.aws.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    return list(document["Statement"])


def test_role_mode_is_applied_and_settled(cloud: LocalCloud, tmp_path: Path) -> None:
    terraform = configuration(cloud, tmp_path, ROLE_MODE)
    variables = {"artifacts": "../../dist"}

    terraform.apply(variables)

    outputs = terraform.outputs()
    assert outputs["job_role_name"] == "jobs-job"
    assert outputs["job_role_arn"].endswith(":role/ci/jobs-job")
    function = cloud.aws.client("lambda").get_function_configuration(
        FunctionName=outputs["function_name"]
    )
    assert function["Environment"]["Variables"] == {
        "CI_SERVER_URL": "https://gitlab.example.com",
        "RUNLET_TOKEN_PARAMETER": "/ci/runner-token",
        "RUNLET_JOB_CREDENTIALS": "role",
        "RUNLET_JOB_ROLE_ARN": outputs["job_role_arn"],
        "RUNLET_ACCOUNTS_PARAMETER": outputs["accounts_parameter_name"],
        "RUNLET_ID_TOKEN_AUDIENCE": "https://runlet.example.com",
        "RUNLET_PROVIDER_MIRROR": "s3://artifacts/mirror/providers.zip",
        "RUNLET_PROVIDER_MIRROR_SHA256": (
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        ),
    }
    parameter = cloud.aws.client("ssm").get_parameter(Name=outputs["accounts_parameter_name"])
    assert json.loads(parameter["Parameter"]["Value"]) == {
        "prod": {"role_arn": outputs["deploy_role_arn"], "external_id": "runlet-prod"},
        "dev": {"role_arn": outputs["gitlab_role_arns"]["deploy"], "id_token": "AWS_ID_TOKEN"},
    }
    assert_settled(terraform, variables)

    statements = policy(cloud, outputs["role_name"])
    assert set(statements) == {
        "WriteLogs",
        "ReadRunnerToken",
        "AssumeJobRole",
        "ReadProviderMirror",
    }
    assert statements["AssumeJobRole"]["Resource"] == outputs["job_role_arn"]
    assert (
        statements["ReadProviderMirror"]["Resource"]
        == "arn:aws:s3:::artifacts/mirror/providers.zip"
    )
    statements = policy(cloud, outputs["role_name"], "accounts")
    assert set(statements) == {"ReadAccounts"}
    assert statements["ReadAccounts"]["Resource"].endswith(":parameter/runlet/jobs/accounts")

    provider, found = outputs["provider_arns"]
    assert provider == found
    (deploy,) = trust(cloud, "deploy-by-token")
    assert deploy["Principal"] == {"Federated": provider}
    assert deploy["Condition"]["StringEquals"]["gitlab.example.com:sub"] == (
        "project_path:group/app:ref_type:branch:ref:main"
    )
    (plan,) = trust(cloud, "plan")
    assert plan["Condition"]["StringEquals"]["gitlab.example.com:sub"] == (
        "project_id:7:ref_protected:true"
    )

    terraform.destroy(variables)


def client(cloud: LocalCloud, service: str, keys: Mapping[str, str]) -> Any:
    session = boto3.session.Session(
        keys["AWS_ACCESS_KEY_ID"],
        keys["AWS_SECRET_ACCESS_KEY"],
        keys["AWS_SESSION_TOKEN"],
        region_name=REGION,
    )
    return session.client(service, endpoint_url=cloud.aws.endpoint_url)


def assume(sts: Any, role: str, **asked: Any) -> dict[str, str]:
    keys = sts.assume_role(RoleArn=role, RoleSessionName="job", **asked)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


def job(cloud: LocalCloud, outputs: dict[str, Any], **tags: str) -> Any:
    """STS as a job sees it, over the runner's own session."""
    runner = cloud.sts.assume_for_service(outputs["role_arn"], "jobs", "lambda.amazonaws.com")
    keys = assume(
        client(cloud, "sts", runner),
        outputs["job_role_arn"],
        Tags=[{"Key": f"runlet:{key}", "Value": value} for key, value in tags.items()],
        TransitiveTagKeys=[f"runlet:{key}" for key in tags],
        SourceIdentity="job-41",
    )
    return client(cloud, "sts", keys)


def test_the_roles_let_in_the_jobs_that_they_name_and_no_others(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    terraform = configuration(cloud, tmp_path, ROLE_MODE)
    variables = {"artifacts": "../../dist"}
    terraform.apply(variables)
    outputs = terraform.outputs()
    deploy = outputs["deploy_role_arn"]

    protected = job(cloud, outputs, project_id="7", protected="true")
    assert assume(protected, deploy, ExternalId="runlet-prod")

    refused = [
        (protected, {"ExternalId": "other"}),
        (job(cloud, outputs, project_id="7", protected="false"), {"ExternalId": "runlet-prod"}),
        (job(cloud, outputs, project_id="8", protected="true"), {"ExternalId": "runlet-prod"}),
        (
            job(cloud, outputs, project_id="8", protected="true"),
            {"ExternalId": "runlet-prod", "Tags": [{"Key": "project_id", "Value": "7"}]},
        ),
        (cloud.aws.client("sts"), {"ExternalId": "runlet-prod"}),
    ]
    for sts, asked in refused:
        with pytest.raises(ClientError):
            assume(sts, deploy, **asked)
    # Nobody but the runner gets at the job role, not even an administrator of its account.
    with pytest.raises(ClientError):
        assume(cloud.aws.client("sts"), outputs["job_role_arn"])

    terraform.destroy(variables)


def test_a_job_role_trusts_the_runner_alone_and_has_no_right_on_its_token(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    terraform = configuration(cloud, tmp_path, ROLE_MODE)
    variables = {"artifacts": "../../dist"}

    terraform.apply(variables)

    outputs = terraform.outputs()
    name = outputs["job_role_name"]
    assert [one["Principal"] for one in trust(cloud, name)] == [{"AWS": outputs["role_arn"]}]
    iam = cloud.aws.client("iam")
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    assert set(iam.list_role_policies(RoleName=name)["PolicyNames"]) == {
        "accounts",
        "read",
        "runner-token",
    }
    (allowed,) = policy(cloud, name, "accounts").values()
    assert allowed["Resource"] == outputs["deploy_role_arn"]
    assert {action.split(":")[0] for action in allowed["Action"]} == {"sts"}
    denied = policy(cloud, name, "runner-token")["KeepRunnerToken"]
    assert denied["Effect"] == "Deny"
    assert denied["Resource"].endswith(":parameter/ci/runner-token")
    job_role = outputs["job_role_arn"]
    other = denied["Resource"].replace("runner-token", "other")
    assert cloud.sts.allows(job_role, "ssm:GetParameter", other)
    assert not cloud.sts.allows(job_role, "ssm:GetParameter", denied["Resource"])
    assert cloud.sts.allows(outputs["role_arn"], "ssm:GetParameter", denied["Resource"])
    # A folder gives out what is below it, whatever is denied of that by name.
    parameters = denied["Resource"].removesuffix("/ci/runner-token")
    for folder, right in (("/other", True), ("/ci", False), ("/ci/", False), ("/", False)):
        resource = parameters + folder
        assert cloud.sts.allows(job_role, "ssm:GetParametersByPath", resource) == right, folder

    terraform.destroy(variables)
