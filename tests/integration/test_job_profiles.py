# SPDX-License-Identifier: Apache-2.0
"""A job's AWS profiles through boto3: over the job role, by an id_token, and with neither.

The bootstrap as a program, a scripted runner that runs the job's script, the strict STS.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from integration.runtime_api import ApiInvocation, RuntimeApi
from integration.sandboxed_bootstrap import SANDBOX_PYTHON, SandboxedBootstrap
from integration.test_bootstrap import SCRIPTED_RUNNER
from integration.test_localcloud_sts import OTHER, Cloud
from localcloud.aws import ACCOUNT_ID
from localcloud.gitlab import CertificateAuthority, StandInGitLab
from localcloud.sts import StsCloud

AUDIENCE = "https://runlet.example"
PARAMETER = "/runlet/accounts"
WHO = """
import os, boto3
session = boto3.Session()
print(os.environ.get("AWS_PROFILE"), session.region_name, end=" ")
try:
    print(session.client("sts").get_caller_identity()["Arn"])
except Exception as error:
    print("refused:", type(error).__name__, error)
"""


def who(profile: str) -> str:
    return f"AWS_PROFILE={profile} {SANDBOX_PYTHON}/bin/python -c {shlex.quote(WHO)}"


class Stage:
    """A function with a role of its own, and a project with jobs for it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.cloud = Cloud(stack.enter_context(StsCloud(folder / "sts")))
        authority = CertificateAuthority(folder / "ca")
        self.cloud.sts.issuers.ca_file = authority.file
        self.ca_file = authority.file
        self.gitlab = stack.enter_context(StandInGitLab(ca=authority, folder=folder / "gitlab"))
        self.gitlab.trace_update_interval = 1
        self.runner = self.gitlab.create_runner(tags=[], run_untagged=True)
        self.project = self.gitlab.create_project("group/project")
        self.execution_role = self.cloud.role(may={"Action": "sts:*"})
        self.keys = self.cloud.assume(self.execution_role)
        self.job_role = self.cloud.role({"AWS": self.execution_role}, may={"Action": "sts:*"})
        self.bootstrap: SandboxedBootstrap

    def trusting(self, **condition: str) -> str:
        """A role of another account that trusts the job role on a condition."""
        return self.cloud.role(
            {"AWS": self.job_role}, account=OTHER, condition={"StringEquals": condition}
        )

    def put_accounts(self, accounts: Any) -> None:
        self.cloud.client("ssm").put_parameter(
            Name=PARAMETER, Value=json.dumps(accounts), Type="String", Overwrite=True
        )

    def run(self, job: dict[str, Any], **settings: str) -> tuple[Any, ApiInvocation]:
        api = self.stack.enter_context(RuntimeApi())
        opt_bin = self.folder / "opt-bin"
        opt_bin.mkdir()
        shutil.copy(SCRIPTED_RUNNER, opt_bin / "gitlab-runner")
        shutil.copy(self.ca_file, opt_bin / "ca.pem")
        environment = {
            "CI_SERVER_URL": self.gitlab.url,
            "CI_SERVER_TLS_CA_FILE": "/opt/bin/ca.pem",
            "CI_SERVER_TOKEN": self.runner.token,
            "RUNLET_WAIT_TIMEOUT": "5",
            "RUNLET_RUNNER_ARGS": json.dumps(["--behaviour=script"]),
            "RUNLET_ACCOUNTS_PARAMETER": PARAMETER,
            "AWS_ENDPOINT_URL": self.cloud.cloud.aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.keys["SessionToken"],
            **settings,
        }
        added = self.project.commit({".gitlab-ci.yml": json.dumps({"job": job})}).job("job")
        self.bootstrap = SandboxedBootstrap(self.folder, api.address, environment, opt_bin)
        self.stack.enter_context(self.bootstrap)
        return added, api.invoke({}).wait()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


def as_role(stage: Stage, **more: str) -> dict[str, str]:
    return {
        "RUNLET_JOB_CREDENTIALS": "role",
        "RUNLET_JOB_ROLE_ARN": stage.job_role,
        "RUNLET_ID_TOKEN_AUDIENCE": AUDIENCE,
        **more,
    }


def lines_of(job: Any) -> list[str]:
    return str(job.trace.decode()).splitlines()


def session_arn(role: str, name: str) -> str:
    return f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{name}"


def test_profiles_reach_accounts_over_the_job_role(stage: Stage) -> None:
    external = {"sts:ExternalId": "runlet-dev"}
    tag = {"aws:PrincipalTag/runlet:project_id": str(stage.project.id)}
    # What GitLab's answer does not say, and the job's id_token does.
    by_token = {"pipeline_source": "push", "environment": "eu/dev", "user_login": "root"}
    tag |= {f"aws:PrincipalTag/runlet:{key}": value for key, value in by_token.items()}
    dev = stage.trusting(**external, **tag)
    prod = stage.trusting(**{"aws:PrincipalTag/runlet:project_id": "4711"})
    stage.put_accounts(
        {
            "dev": {"role_arn": dev, "external_id": "runlet-dev", "region": "us-east-1"},
            "prod": {"role_arn": prod, "session_name": "deploy"},
        }
    )

    job, invocation = stage.run(
        {
            "script": [who("default"), who("dev"), who("prod"), "env"],
            "environment": "eu/dev",
            "id_tokens": {"RUNLET_ID_TOKEN": {"aud": AUDIENCE}},
        },
        **as_role(stage),
    )

    assert invocation.json["status"] == "job_succeeded", stage.bootstrap.log
    name = f"runlet-{stage.project.id}-{job.id}"
    said = lines_of(job)
    assert said[0] == f"default eu-central-1 {session_arn(stage.job_role, name)}"
    assert said[1] == f"dev us-east-1 {session_arn(dev, name)}"
    assert said[2].startswith("prod eu-central-1 refused: ClientError")
    assert "AccessDenied" in said[2]
    variables = {line.partition("=")[0] for line in said[3:]}
    assert {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} <= variables
    assert not variables & {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"}
    assert not list(stage.bootstrap.tmp.iterdir())


def test_a_token_that_is_not_ours_tells_nothing(stage: Stage) -> None:
    role = stage.trusting(**{"aws:PrincipalTag/runlet:pipeline_source": "push"})
    stage.put_accounts({"dev": {"role_arn": role}})

    job, invocation = stage.run(
        {
            "script": [who("default"), who("dev")],
            "id_tokens": {"RUNLET_ID_TOKEN": {"aud": "https://somebody.else"}},
        },
        **as_role(stage),
    )

    assert invocation.json["status"] == "job_succeeded"
    said = lines_of(job)
    assert said[0].startswith("default eu-central-1 arn:aws:sts::")
    assert "AccessDenied" in said[1]
    assert "RUNLET_ID_TOKEN is not good" in stage.bootstrap.log
    assert "aud is not" in stage.bootstrap.log


def test_profiles_go_by_id_tokens_without_any_other_credentials(stage: Stage) -> None:
    host = stage.gitlab.url.removeprefix("https://")
    stage.cloud.iam().create_open_id_connect_provider(
        Url=stage.gitlab.url, ClientIDList=["https://aws.example"], ThumbprintList=["0" * 40]
    )
    role = stage.cloud.role(
        {"Federated": f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{host}"},
        actions=["sts:AssumeRoleWithWebIdentity"],
        condition={
            "StringEquals": {f"{host}:sub": "project_path:group/project:ref_type:branch:ref:main"}
        },
    )
    stage.put_accounts(
        {
            "oidc": {"role_arn": role, "id_token": "AWS_ID_TOKEN"},
            "chained": {"role_arn": role},
        }
    )

    job, invocation = stage.run(
        {
            "script": [
                who("oidc"),
                "stat -c %a $(dirname $AWS_CONFIG_FILE)/id-tokens/AWS_ID_TOKEN",
            ],
            "id_tokens": {"AWS_ID_TOKEN": {"aud": "https://aws.example"}},
        }
    )

    assert invocation.json["status"] == "job_succeeded", stage.bootstrap.log
    name = f"runlet-{stage.project.id}-{job.id}"
    assert lines_of(job)[:2] == [f"oidc eu-central-1 {session_arn(role, name)}", "600"]
    assert '"account":"chained"' in stage.bootstrap.log


@pytest.mark.parametrize(
    ("accounts", "code", "text"),
    [
        ({"a b": {}}, "Runtime.ConfigInvalid", 'accounts: a name is "a b"'),
        (None, "Runtime.AccountsUnavailable", "ParameterNotFound"),
    ],
)
def test_bad_accounts_cost_no_job(stage: Stage, accounts: Any, code: str, text: str) -> None:
    # moto takes its time for the first call to a service.
    stage.cloud.client("ssm").describe_parameters()
    if accounts:
        stage.put_accounts(accounts)
    else:  # moto's first answer of a service can take longer than the bootstrap waits
        stage.cloud.client("ssm").get_parameters(Names=[PARAMETER])

    job, invocation = stage.run({"script": ["true"]})

    assert invocation.json["errorType"] == code
    assert PARAMETER in invocation.json["errorMessage"]
    assert text in invocation.json["errorMessage"]
    assert job.status == "pending"
