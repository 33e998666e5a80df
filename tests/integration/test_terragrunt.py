# SPDX-License-Identifier: Apache-2.0
"""examples/terragrunt with the real terragrunt: its form, its plans, and an apply of two accounts.

Git finds this tree behind the address that the example names, and each unit gets its credentials
from assume-role, which gets them from the local cloud's STS.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from integration.artifacts import publish_artifacts
from integration.test_terraform_apply import FILES, pack
from integration.test_terraform_jobs import assume, client
from localcloud import LocalCloud
from localcloud.aws import ACCESS_KEY, ACCOUNT_ID, SECRET_KEY
from localcloud.gitlab.ci_reader import read
from localcloud.terraform import find_program, write_cli_configuration

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / "examples" / "terragrunt"
ADDRESS = "https://example.com/runlet.git"
HUB, PROD = ACCOUNT_ID, "210987654321"
RUNNER = "hub/.terragrunt-stack/runlet/.terragrunt-stack/runner"
GITLAB_OIDC = "prod/.terragrunt-stack/runlet/.terragrunt-stack/gitlab-oidc"
DEPLOY_ROLE = "prod/.terragrunt-stack/runlet/.terragrunt-stack/deploy-role"
DEPLOYER = "landing-zone-deploy"


class Tree:
    """A copy of the example and of the modules that it names by their address."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        unwanted = shutil.ignore_patterns(".terra*", "*.tfstate*")
        shutil.copytree(REPO / "terraform", folder / "terraform", ignore=unwanted)
        shutil.copytree(EXAMPLE, folder / "examples" / "terragrunt", ignore=unwanted)
        self._release(folder)
        self.live = folder / "examples" / "terragrunt" / "live"
        self.dist = folder / "dist"
        pack(self.dist, dict.fromkeys(FILES, "one"))
        artifacts = self.live / "hub" / "artifacts"
        artifacts.mkdir()
        shutil.copy(self.dist / "artifacts.json", artifacts)
        program = find_program()
        answer = subprocess.run(
            [REPO / "helpers/toolchain/terragrunt.sh"], check=True, capture_output=True, text=True
        )
        self._terragrunt = answer.stdout.strip()
        # As a person has them: in a file, under the profile that is taken where none is named.
        credentials = folder / "credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        )
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        self._environ = {
            **{name: value for name, value in environ.items() if name not in keys},
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "PATH": f"{REPO / 'build' / 'bin'}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TF_CLI_CONFIG_FILE": str(write_cli_configuration(folder / "cli", program)),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "TG_TF_PATH": str(program),
            "TG_AUTH_PROVIDER_CMD": self._auth_provider(),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{folder}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS,
            "TG_NON_INTERACTIVE": "true",
            "TG_NO_COLOR": "true",
        }

    def _auth_provider(self) -> str:
        """What the example's pipeline names."""
        pipeline = read((EXAMPLE / ".gitlab-ci.yml").read_text())
        command = pipeline.variables["TG_AUTH_PROVIDER_CMD"].value
        return command.replace("$CI_PROJECT_DIR", str(self.live.parent))

    @staticmethod
    def _release(folder: Path) -> None:
        """Makes the folder a repository whose only tag is the version that the example wants."""
        wanted = re.search(r'version += "(.*)"', (EXAMPLE / "live" / "runlet.hcl").read_text())
        assert wanted
        author = ("-c", "user.name=Runlet", "-c", "user.email=runlet@example.com")
        for command in (["init"], ["add", "."], [*author, "commit", "-m", "."], ["tag", wanted[1]]):
            subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)

    def run(
        self, folder: str, *arguments: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            [self._terragrunt, *arguments],
            cwd=self.live / folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if check:
            assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def authenticate(self, unit: str, keys: Mapping[str, str]) -> dict[str, str]:
        """What the auth provider gives a unit where those keys are what a program finds."""
        credentials = self.live.parent / "job-credentials"
        credentials.write_text(
            "[default]\n" + "".join(f"{name.lower()} = {value}\n" for name, value in keys.items())
        )
        answer = subprocess.run(
            [self._environ["TG_AUTH_PROVIDER_CMD"]],
            cwd=self.live / unit,
            env={**self._environ, "AWS_SHARED_CREDENTIALS_FILE": str(credentials)},
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        given = json.loads(answer.stdout)["awsCredentials"]
        return {f"AWS_{name}": value for name, value in given.items()}

    def plan(self, folder: str) -> dict[str, dict[str, Any]]:
        """What a plan of all below a folder would do, by unit and then by address."""
        plans = self.live.parent / "plans"
        shutil.rmtree(plans, ignore_errors=True)
        self.run(folder, "run", "--all", "plan", "--json-out-dir", str(plans))
        return {
            str(path.parent.relative_to(plans)): {
                one["address"]: one["change"]
                for one in json.loads(path.read_text())["resource_changes"]
                if one["change"]["actions"] not in (["no-op"], ["read"])
            }
            for path in plans.rglob("tfplan.json")
        }

    def outputs(self, unit: str) -> dict[str, Any]:
        return dict(json.loads(self.run(unit, "output", "-json", "--log-disable").stdout))

    def mocks(self, unit: str) -> dict[str, dict[str, Any]]:
        """What stands in for the outputs of each dependency of a unit."""
        rendered = json.loads(self.run(unit, "render", "--format", "json", "--log-disable").stdout)
        return {name: one["mock_outputs"] for name, one in rendered["dependency"].items()}


def type_of(value: Any) -> Any:
    """The type of a JSON value, as `terraform output -json` writes types."""
    if isinstance(value, dict):
        return ["object", {name: type_of(one) for name, one in value.items()}]
    if isinstance(value, list):
        return ["tuple", [type_of(one) for one in value]]
    return {bool: "bool", int: "number", float: "number", str: "string"}[type(value)]


def client_of(cloud: LocalCloud, account: str, service: str) -> Any:
    """A client that acts in an account as its administrator would."""
    client = cloud.aws.client(service)
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
    )
    return client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Two accounts as a landing zone hands them over: a role to deploy with, a bucket for state."""
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        # The hub's roles and people, as far as their own policies let them, with this external id.
        hub = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"}}
        trust = [
            {
                **hub,
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "landing-zone"}},
            },
            {**hub, "Action": ["sts:TagSession", "sts:SetSourceIdentity"]},
        ]
        for account in (HUB, PROD):
            client_of(running, account, "iam").create_role(
                RoleName=DEPLOYER,
                AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
            )
            client_of(running, account, "s3").create_bucket(
                Bucket=f"runlet-state-{account}",
                CreateBucketConfiguration={"LocationConstraint": running.aws.region},
            )
        yield running


@pytest.fixture(scope="module")
def tree(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    made = Tree(tmp_path_factory.mktemp("tree"), cloud.aws.environ())
    s3 = cloud.aws.client("s3")
    bucket = f"runlet-artifacts-{HUB}"
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.aws.region}
    )
    publish_artifacts(cloud, bucket, made.dist)
    made.run(".", "stack", "generate")
    return made


def test_is_formatted(tree: Tree) -> None:
    tree.run(".", "hcl", "fmt", "--check", "--diff")


def test_every_file_is_valid(tree: Tree) -> None:
    tree.run(".", "hcl", "validate")
    tree.run(".", "hcl", "validate", "--inputs", "--strict")


def test_the_stacks_become_units(tree: Tree) -> None:
    made = {
        str(path.parent.relative_to(tree.live))
        for path in tree.live.glob("**/.terragrunt-stack/**/terragrunt.hcl")
    }
    assert made == {RUNNER, GITLAB_OIDC, DEPLOY_ROLE}


def test_everything_is_planned_before_anything_is_there(tree: Tree) -> None:
    plans = tree.plan(".")

    assert set(plans) == {RUNNER, GITLAB_OIDC, DEPLOY_ROLE}
    role = plans[DEPLOY_ROLE]["aws_iam_role.this[0]"]["after"]
    mocks = tree.mocks(DEPLOY_ROLE)
    assert mocks["runner"]["job_role_arn"] in role["assume_role_policy"]
    assert mocks["gitlab_oidc"]["provider_arn"] in role["assume_role_policy"]


def test_an_account_is_not_applied_on_mocks(tree: Tree) -> None:
    answer = tree.run("prod", "run", "--all", "apply", check=False)
    assert answer.returncode != 0
    assert "has no outputs" in answer.stderr + answer.stdout


def test_both_accounts_are_applied_and_settled(cloud: LocalCloud, tree: Tree) -> None:
    tree.run("hub", "run", "--all", "apply")
    tree.run("prod", "run", "--all", "apply")

    role = client_of(cloud, PROD, "iam").get_role(RoleName="runlet-deploy")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{PROD}:role/runlet-deploy"
    trust = {one["Sid"]: one for one in role["AssumeRolePolicyDocument"]["Statement"]}
    real = {"runner": tree.outputs(RUNNER), "gitlab_oidc": tree.outputs(GITLAB_OIDC)}
    job_role = real["runner"]["job_role_arn"]["value"]
    assert job_role == f"arn:aws:iam::{HUB}:role/runlet-job"
    assert trust["AssumeRunner"]["Principal"]["AWS"] == job_role
    provider = real["gitlab_oidc"]["provider_arn"]["value"]
    assert provider == f"arn:aws:iam::{PROD}:oidc-provider/gitlab.example.com"
    assert trust["AssumeWithGitLabToken"]["Principal"]["Federated"] == provider
    parameter = cloud.aws.client("ssm").get_parameter(
        Name=real["runner"]["accounts_parameter_name"]["value"]
    )
    assert json.loads(parameter["Parameter"]["Value"])["prod"]["role_arn"] == role["Arn"]
    layers = cloud.aws.client("lambda").get_function_configuration(FunctionName="runlet")["Layers"]
    names = [layer["Arn"].split(":")[6] for layer in layers]
    assert names == ["runlet-gitlab-runner", "runlet-git", "runlet-opentofu", "runlet-assume-role"]

    for dependency, mocks in tree.mocks(DEPLOY_ROLE).items():
        for name, mock in mocks.items():
            assert type_of(mock) == real[dependency][name]["type"], f"{dependency}.{name}"

    assert tree.plan(".") == {RUNNER: {}, GITLAB_OIDC: {}, DEPLOY_ROLE: {}}


def test_a_job_of_the_runner_gets_into_every_account(cloud: LocalCloud, tree: Tree) -> None:
    """As the pipeline does: over the job role, whose own policy must let it."""
    runner = cloud.sts.assume_for_service(
        f"arn:aws:iam::{HUB}:role/runlet", "runlet", "lambda.amazonaws.com"
    )
    job = assume(
        client(cloud, "sts", runner),
        f"arn:aws:iam::{HUB}:role/runlet-job",
        Tags=[{"Key": "runlet:project_id", "Value": "7"}],
        TransitiveTagKeys=["runlet:project_id"],
        SourceIdentity="project=7,job=41",
    )

    for account in (HUB, PROD):
        session = tree.authenticate(DEPLOY_ROLE if account == PROD else RUNNER, job)
        sts = client(cloud, "sts", session)
        assert sts.get_caller_identity()["Account"] == account
