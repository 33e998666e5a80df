# SPDX-License-Identifier: Apache-2.0
"""A runner with its state and its artifacts in S3: what a plan changes, and what a job feels."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Publisher
from e2e.stage import output_of
from integration.artifacts import change_bootstrap, copy_artifacts, publish_artifacts
from localcloud import LocalCloud
from localcloud.demo import ca_layer
from localcloud.functions import Invocation
from localcloud.gitlab import Job, Project
from localcloud.terraform import Terraform
from localcloud.waiting import wait_until

EXAMPLE = "self-deploy"
ARTIFACTS, STATE = "self-deploy-artifacts", "self-deploy-state"
STATE_KEY = "self-deploy/terraform.tfstate"


@dataclass
class SelfDeploy:
    """The example, applied from one clone of its repository."""

    cloud: LocalCloud
    terraform: Terraform
    variables: dict[str, str]
    project: Project
    dist: Path

    def clone(self, folder: Path) -> Terraform:
        """Another clone, which has nothing but the repository and the buckets."""
        terraform = Terraform(EXAMPLE, folder, self.cloud.aws.environ(), artifacts=self.dist)
        init(terraform, self.cloud)
        return terraform

    def changes(self) -> dict[str, list[str]]:
        """What a plan would do, by address; the plan is kept for `apply_plan`."""
        arguments = [f"-var={name}={value}" for name, value in self.variables.items()]
        self.terraform.run("plan", "-no-color", "-input=false", "-out=runner.tfplan", *arguments)
        plan = json.loads(self.terraform.run("show", "-json", "runner.tfplan").stdout)
        return {
            one["address"]: one["change"]["actions"]
            for one in plan["resource_changes"]
            if one["change"]["actions"] not in (["no-op"], ["read"])
        }

    def apply_plan(self) -> None:
        self.terraform.run("apply", "-no-color", "-input=false", "runner.tfplan")

    def invoke(self) -> Invocation:
        name = self.terraform.outputs()["function_name"]
        invocation = self.cloud.invoke(name, qualifier="live")
        assert not invocation.function_error, invocation.response
        return invocation

    def job(self, *script: str) -> Job:
        jobs = {"job": {"tags": ["self-deploy"], "script": list(script)}}
        pipeline = self.project.commit({".gitlab-ci.yml": json.dumps(jobs)})
        assert pipeline is not None
        return pipeline.job("job")


def init(terraform: Terraform, cloud: LocalCloud) -> None:
    settings = {"bucket": STATE, "region": cloud.aws.region, "use_path_style": "true"}
    options = [f"-backend-config={name}={value}" for name, value in settings.items()]
    terraform.run("init", "-no-color", "-input=false", *options)


@pytest.fixture(scope="module")
def deployed(
    cloud: LocalCloud, publish: Publisher, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SelfDeploy]:
    folder = tmp_path_factory.mktemp("self-deploy")
    dist = copy_artifacts(folder)
    for bucket in (ARTIFACTS, STATE):
        cloud.aws.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.aws.region}
        )
    runner = cloud.gitlab.create_runner(tags=["self-deploy"], run_untagged=False)
    secret = cloud.aws.client("secretsmanager").create_secret(
        Name="self-deploy-token", SecretString=runner.token
    )["ARN"]
    variables = {
        "artifacts_bucket": ARTIFACTS,
        "state_bucket": STATE,
        "token_secret_arn": secret,
        "extra_layer_arns": json.dumps([publish(ca_layer(cloud, folder))]),
        "gitlab": json.dumps({"url": cloud.gitlab.url, "tls_ca_file": "/opt/gitlab-ca.pem"}),
    }
    terraform = Terraform(EXAMPLE, folder, cloud.aws.environ(), artifacts=dist)
    project = cloud.gitlab.create_project("platform/runner")
    one = SelfDeploy(cloud, terraform, variables, project, dist)
    publish_artifacts(cloud, ARTIFACTS, dist)
    init(terraform, cloud)
    terraform.apply(variables)
    yield one
    cloud.functions.drop_environments(terraform.outputs()["function_name"])
    terraform.destroy(variables)
    s3: Any = cloud.aws.client("s3")
    for bucket in (ARTIFACTS, STATE):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])


def test_the_same_commit_plans_nothing_in_another_clone(
    deployed: SelfDeploy, tmp_path: Path
) -> None:
    publish_artifacts(deployed.cloud, ARTIFACTS, deployed.dist)

    empty, said = deployed.clone(tmp_path).plan_is_empty(deployed.variables)

    assert empty, said
    keys = [
        entry["Key"]
        for entry in deployed.cloud.aws.client("s3").list_objects_v2(Bucket=STATE)["Contents"]
    ]
    assert keys == [STATE_KEY]  # and no lock is left


def test_a_changed_bootstrap_changes_its_function_under_a_running_job(
    deployed: SelfDeploy,
) -> None:
    before = deployed.terraform.outputs()
    change_bootstrap(deployed.dist)
    publish_artifacts(deployed.cloud, ARTIFACTS, deployed.dist)
    changes = deployed.changes()
    assert changes == {
        "module.runner.module.function.aws_lambda_function.this[0]": ["update"],
        "module.runner.module.function.aws_lambda_alias.this[0]": ["update"],
    }
    job = deployed.job(
        "until git ls-remote --exit-code origin refs/heads/applied; do sleep 1; done",
        "echo not cut off",
    )
    invoking = threading.Thread(target=deployed.invoke, daemon=True)
    invoking.start()
    wait_until(lambda: job.status == "running", "the job to run")

    deployed.apply_plan()

    assert job.status == "running"
    deployed.project.commit({"applied": "yes"}, ref="applied", message="[skip ci]")
    wait_until(lambda: not invoking.is_alive(), "the invocation's end")
    assert job.status == "success", output_of(job)
    assert "not cut off" in output_of(job)
    after = deployed.terraform.outputs()
    assert int(after["function_version"]) == int(before["function_version"]) + 1
    next_job = deployed.job("echo next")
    assert deployed.invoke().version == after["function_version"]
    assert next_job.status == "success", output_of(next_job)
    empty, said = deployed.terraform.plan_is_empty(deployed.variables)
    assert empty, said


def test_the_job_role_may_change_its_runner_and_no_role(deployed: SelfDeploy) -> None:
    cloud, role = deployed.cloud, deployed.terraform.outputs()["job_role_arn"]
    place = f"{cloud.aws.region}:{cloud.aws.account_id}"
    function = f"arn:aws:lambda:{place}:function:self-deploy"
    state = f"arn:aws:s3:::{STATE}/{STATE_KEY}"
    allowed = {
        "lambda:UpdateFunctionCode": function,
        "lambda:PublishVersion": function,
        "lambda:UpdateAlias": f"{function}:live",
        "lambda:PublishLayerVersion": f"arn:aws:lambda:{place}:layer:self-deploy-git",
        "iam:GetRole": role,
        "s3:PutObject": state,
        "s3:DeleteObject": f"{state}.tflock",
    }
    refused = {
        "iam:PutRolePolicy": role,
        "iam:UpdateAssumeRolePolicy": role,
        "iam:AttachRolePolicy": role,
        "lambda:DeleteFunction": function,
        "lambda:UpdateFunctionCode": f"{function}-other",
        "s3:DeleteObject": state,
        "s3:PutObject": f"arn:aws:s3:::{ARTIFACTS}/runlet/x/bootstrap.zip",
        "secretsmanager:GetSecretValue": deployed.variables["token_secret_arn"],
    }
    for action, resource in allowed.items():
        assert cloud.sts.allows(role, action, resource), action
    for action, resource in refused.items():
        assert not cloud.sts.allows(role, action, resource), action
