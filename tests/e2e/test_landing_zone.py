# SPDX-License-Identifier: Apache-2.0
"""The landing zone: a hub with the runner, and three accounts that trust its jobs more or less."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from conftest import REPO
from e2e.stage import output_of
from localcloud import LocalCloud
from localcloud.aws import ACCESS_KEY, SECRET_KEY
from localcloud.demo import ca_layer
from localcloud.gitlab import Job, Pipeline, Project
from localcloud.terraform import Terraform

EXAMPLE = "multi-account-landing-zone"
ACCOUNTS = {"dev": "111111111111", "staging": "222222222222", "prod": "333333333333"}
PROVISIONING_ROLE = "OrganizationAccountAccessRole"
PROJECT = REPO / "examples" / EXAMPLE / "project"


def client_in(cloud: LocalCloud, account: str, service: str) -> Any:
    """A client with all rights in an account, straight at moto."""
    options = {"endpoint_url": cloud.sts.moto_url, "region_name": cloud.aws.region}
    keys = boto3.client(
        "sts", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, **options
    ).assume_role(RoleArn=f"arn:aws:iam::{account}:role/first", RoleSessionName="first")[
        "Credentials"
    ]
    return boto3.client(
        service,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        **options,
    )


def make_provisioning_role(cloud: LocalCloud, account: str) -> None:
    """The role that an organization puts into each of its accounts."""
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{cloud.aws.account_id}:root"},
        "Action": "sts:AssumeRole",
    }
    client_in(cloud, account, "iam").create_role(
        RoleName=PROVISIONING_ROLE,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )


@dataclass
class LandingZone:
    """The example, applied; its runner serves `project` and `other`."""

    cloud: LocalCloud
    terraform: Terraform
    variables: dict[str, str]
    outputs: dict[str, Any]
    project: Project
    other: Project

    def run(self, pipeline: Pipeline | None) -> dict[str, Job]:
        """Invokes the runner once for each job that becomes ready, and returns the jobs."""
        assert pipeline is not None
        for _ in pipeline.jobs:
            invocation = self.cloud.invoke(self.outputs["function_name"])
            assert not invocation.function_error, invocation.response
        assert pipeline.finished, pipeline
        return {job.name: job for job in pipeline.jobs}


@pytest.fixture(scope="module")
def zone(
    cloud: LocalCloud, provider_mirror: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LandingZone]:
    folder = tmp_path_factory.mktemp("landing-zone")
    for account in ACCOUNTS.values():
        make_provisioning_role(cloud, account)
    project = cloud.gitlab.create_project("platform/app")
    other = cloud.gitlab.create_project("platform/other")
    runner = cloud.gitlab.create_runner(tags=["landing-zone"], run_untagged=False)
    terraform = Terraform(EXAMPLE, folder, cloud.aws.environ())
    variables = {
        "gitlab_url": cloud.gitlab.url,
        "gitlab_ca_layer": str(ca_layer(cloud, folder)),
        "project_id": str(project.id),
        "accounts": json.dumps({name: {"account_id": id_} for name, id_ in ACCOUNTS.items()}),
        "provider_mirror": json.dumps(provider_mirror),
    }
    terraform.init()
    terraform.apply(variables)
    outputs = terraform.outputs()
    cloud.aws.client("secretsmanager").put_secret_value(
        SecretId=outputs["token_secret_arn"], SecretString=runner.token
    )
    yield LandingZone(cloud, terraform, variables, outputs, project, other)
    cloud.functions.drop_environments(outputs["function_name"])
    terraform.destroy(variables)
    shutil.rmtree(folder)


def project_files() -> dict[str, str | bytes | None]:
    return {
        path.relative_to(PROJECT).as_posix(): path.read_bytes()
        for path in PROJECT.rglob("*")
        if path.is_file()
    }


# Every stage by itself: whether the next account trusts a job does not hang on the one before.
def independent_jobs() -> dict[str, str | bytes | None]:
    jobs = {
        name: {
            "tags": ["landing-zone"],
            "variables": {"AWS_PROFILE": name},
            "script": [f"assume-role --check --profile {name}", "./deploy.sh"],
        }
        for name in ACCOUNTS
    }
    return {**project_files(), ".gitlab-ci.yml": json.dumps(jobs)}


def test_a_second_plan_is_empty(zone: LandingZone) -> None:
    empty, said = zone.terraform.plan_is_empty(zone.variables)
    assert empty, said


def test_the_protected_branch_deploys_to_every_account(zone: LandingZone) -> None:
    before = len(zone.cloud.sts.sessions)

    pipeline = zone.project.commit(project_files())
    assert pipeline is not None
    jobs = zone.run(pipeline)

    for name, account in ACCOUNTS.items():
        said = output_of(jobs[name])
        assert jobs[name].status == "success", said
        assert f"arn:aws:sts::{account}:assumed-role/landing-zone-deploy/" in said
        # tofu's provider deployed there, by the profile alone.
        ssm = client_in(zone.cloud, account, "ssm")
        assert ssm.get_parameter(Name="/app/version")["Parameter"]["Value"] == pipeline.sha
        session, *_ = [
            one
            for one in zone.cloud.sts.sessions[before:]
            if one.role_arn == zone.outputs["deploy_role_arns"][name]
        ]
        # As the profile asks: no longer than STS allows at least.
        durations = {
            one.fields["DurationSeconds"]
            for one in zone.cloud.sts.calls
            if one.fields.get("RoleArn") == session.role_arn
        }
        assert durations == {"900"}
        assert session.tags["runlet:project_id"] == str(zone.project.id)
        assert session.tags["runlet:project_path"] == "platform/app"
        assert session.tags["runlet:ref"] == "main"
        assert session.tags["runlet:protected"] == "true"
        assert session.tags["runlet:job_id"] == str(jobs[name].id)
        assert session.source_identity == f"project={zone.project.id},job={jobs[name].id},user=1"


def test_a_job_deploys_to_every_account_through_assume_role(zone: LandingZone) -> None:
    """With the keys that assume-role gives its command, where no profile is to be named."""
    apply = "tofu apply -no-color -input=false -auto-approve -var app_version=by-assume-role"
    script = ["tofu init -no-color -input=false"] + [
        f"assume-role --role-arn {role} --external-id landing-zone-{name}"
        f" -- {apply} -state={name}.tfstate"
        for name, role in zone.outputs["deploy_role_arns"].items()
    ]
    file = {".gitlab-ci.yml": json.dumps({"job": {"tags": ["landing-zone"], "script": script}})}

    job = zone.run(zone.project.commit({**project_files(), **file}))["job"]

    assert job.status == "success", output_of(job)
    for account in ACCOUNTS.values():
        ssm = client_in(zone.cloud, account, "ssm")
        assert ssm.get_parameter(Name="/app/version")["Parameter"]["Value"] == "by-assume-role"


def test_another_branch_gets_no_further_than_dev(zone: LandingZone) -> None:
    jobs = zone.run(zone.project.commit(independent_jobs(), ref="feature"))

    assert jobs["dev"].status == "success", output_of(jobs["dev"])
    for name in ("staging", "prod"):
        assert jobs[name].status == "failed"
        assert "AccessDenied" in output_of(jobs[name])
        assert "deploying" not in output_of(jobs[name])


def test_another_project_gets_nowhere(zone: LandingZone) -> None:
    jobs = zone.run(zone.other.commit(independent_jobs()))

    assert {name: job.status for name, job in jobs.items()} == dict.fromkeys(ACCOUNTS, "failed")
    assert all("AccessDenied" in output_of(job) for job in jobs.values())


def test_a_wrong_external_id_gets_nowhere(zone: LandingZone) -> None:
    """A job that may deploy to prod, but asks as the hub does for another account."""
    role = zone.outputs["deploy_role_arns"]["prod"]
    asked = {"right": "landing-zone-prod", "wrong": "landing-zone-dev", "absent": None}
    script = [
        f"assume-role --check --role-arn {role}{f' --external-id {id_}' if id_ else ''}"
        f" > said 2>&1 && echo let-in-{name} || echo refused-{name}; cat said"
        for name, id_ in asked.items()
    ]
    file = {".gitlab-ci.yml": json.dumps({"job": {"tags": ["landing-zone"], "script": script}})}
    before = len(zone.cloud.sts.calls)

    job = zone.run(zone.project.commit(file))["job"]

    said = output_of(job)
    assert job.status == "success", said
    assert re.findall(r"^(?:let-in|refused)-\w+$", said, re.M) == [
        "let-in-right",
        "refused-wrong",
        "refused-absent",
    ]
    assert "with just this external id" in said
    assert "does it want an external id?" in said
    calls = [one for one in zone.cloud.sts.calls[before:] if one.fields.get("RoleArn") == role]
    assert [(one.fields.get("ExternalId"), one.error) for one in calls] == [
        ("landing-zone-prod", None),
        ("landing-zone-dev", "AccessDenied"),
        (None, "AccessDenied"),
    ]


def test_the_job_role_has_no_right_on_the_runner_token(zone: LandingZone) -> None:
    sts, secret = zone.cloud.sts, zone.outputs["token_secret_arn"]
    function = zone.cloud.aws.client("lambda").get_function_configuration(
        FunctionName=zone.outputs["function_name"]
    )
    assert sts.allows(function["Role"], "secretsmanager:GetSecretValue", secret)
    for action in ("GetSecretValue", "PutSecretValue", "DescribeSecret", "ListSecretVersionIds"):
        assert not sts.allows(zone.outputs["job_role_arn"], f"secretsmanager:{action}", secret)
    assert not sts.allows(zone.outputs["job_role_arn"], "sts:AssumeRole", function["Role"])
