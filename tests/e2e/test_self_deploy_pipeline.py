# SPDX-License-Identifier: Apache-2.0
"""Self-deploy, whole: a pipeline plans and applies the runner that runs it, by the job role."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, REPO
from e2e.conftest import Publisher
from e2e.stage import output_of
from integration.artifacts import change_bootstrap, copy_artifacts, publish_artifacts
from integration.runner_client import RunnerClient
from localcloud import LocalCloud
from localcloud.demo import ca_layer
from localcloud.gitlab import Job, Pipeline, Project, Runner
from localcloud.gitlab.projects import ProjectVariable
from localcloud.terraform import Terraform

EXAMPLE = "self-deploy"
STATE, ARTIFACTS = "pipeline-state", "pipeline-artifacts"
TOFU = BUILD / "layers" / "opentofu" / "x86_64" / "bin" / "tofu"


def repository() -> dict[str, str | bytes | None]:
    """What the pipeline needs of this repository; its CI file where GitLab looks for it."""
    files = {
        path.relative_to(REPO).as_posix(): path.read_bytes()
        for folder in (REPO / "terraform", REPO / "examples" / EXAMPLE)
        for path in folder.rglob("*")
        if path.is_file() and ".terraform" not in path.parts and path.suffix in (".tf", ".yml")
    }
    return {**files, ".gitlab-ci.yml": files[f"examples/{EXAMPLE}/.gitlab-ci.yml"]}


@dataclass
class SelfDeploy:
    cloud: LocalCloud
    project: Project
    compiler: Runner
    dist: Path
    outputs: dict[str, Any]

    def build(self, pipeline: Pipeline) -> None:
        """Plays the runner with the compiler: publishes, and hands artifacts.json on."""
        publish_artifacts(self.cloud, ARTIFACTS, self.dist)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.write(self.dist / "artifacts.json", "dist/artifacts.json")
        gitlab = self.cloud.gitlab
        assert gitlab.ca is not None
        client = RunnerClient(gitlab.url, self.compiler.token)
        client.session.verify = str(gitlab.ca.file)
        client.take_job()
        answer = client.call(
            "POST",
            f"{client.job_path}/artifacts?artifact_format=zip&artifact_type=archive",
            headers={"JOB-TOKEN": client.job["token"]},
            files={"file": ("artifacts.zip", content.getvalue())},
        )
        assert answer.status_code == 201, answer.text
        client.finish("success")
        client.close()
        assert pipeline.job("build").status == "success"

    def run(self, job: Job) -> str:
        """Invokes the runner as a trigger does, by its alias; returns what the job said."""
        invocation = self.cloud.invoke(self.outputs["function_name"], qualifier="live")
        assert invocation.answer["status"] == "job_succeeded", (
            f"{invocation.response}\n{output_of(job)}"
        )
        return output_of(job)

    def alias_version(self) -> int:
        alias = self.cloud.aws.client("lambda").get_alias(
            FunctionName=self.outputs["function_name"], Name="live"
        )
        return int(alias["FunctionVersion"])


@pytest.fixture
def deployed(
    cloud: LocalCloud, tmp_path: Path, publish: Publisher, provider_mirror: dict[str, str]
) -> Iterator[SelfDeploy]:
    s3 = cloud.aws.client("s3")
    for bucket in (STATE, ARTIFACTS):
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.aws.region}
        )
    dist = copy_artifacts(tmp_path)
    publish_artifacts(cloud, ARTIFACTS, dist)

    runner = cloud.gitlab.create_runner(tags=["self-deploy"], run_untagged=False)
    compiler = cloud.gitlab.create_runner(tags=["compiler"], run_untagged=False)
    secret = cloud.aws.client("secretsmanager").create_secret(
        Name="pipeline/token", SecretString=runner.token
    )
    variables = {
        "name": "self-pipeline",
        "gitlab": json.dumps({"url": cloud.gitlab.url, "tls_ca_file": "/opt/gitlab-ca.pem"}),
        "extra_layer_arns": json.dumps([publish(ca_layer(cloud, tmp_path))]),
        "token_secret_arn": secret["ARN"],
        "state_bucket": STATE,
        "artifacts_bucket": ARTIFACTS,
        "provider_mirror": json.dumps(provider_mirror),
    }
    project = cloud.gitlab.create_project("platform/pipeline")
    # AWS's own S3 needs neither.
    backend = {
        "TF_CLI_ARGS_init": "-backend-config=use_path_style=true",
        "AWS_ENDPOINT_URL_S3": cloud.aws.endpoint_url,
    }
    settings = {
        **{f"TF_VAR_{name}": value for name, value in variables.items()},
        "STATE_BUCKET": STATE,
        "ARTIFACTS_BUCKET": ARTIFACTS,
        **backend,
    }
    for name, value in settings.items():
        project.variables[name] = ProjectVariable(value)
    # The first apply is by hand: nobody is there yet to run a pipeline.
    terraform = Terraform(
        EXAMPLE,
        tmp_path / "first-apply",
        {**cloud.aws.environ(), **backend},
        program=TOFU,
        artifacts=dist,
    )
    terraform.run(
        "init",
        "-no-color",
        "-input=false",
        f"-backend-config=bucket={STATE}",
        f"-backend-config=region={cloud.aws.region}",
    )
    terraform.apply(variables)
    outputs = terraform.outputs()
    yield SelfDeploy(cloud, project, compiler, dist, outputs)
    cloud.functions.drop_environments(outputs["function_name"])
    terraform.destroy(variables)
    for bucket in (STATE, ARTIFACTS):
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])


def test_a_pipeline_deploys_its_own_runner(deployed: SelfDeploy) -> None:
    before = deployed.alias_version()

    # The same commit gives the same hashes: there is nothing to do.
    pipeline = deployed.project.commit(repository())
    assert pipeline is not None
    deployed.build(pipeline)
    assert "No changes." in deployed.run(pipeline.job("plan"))
    assert pipeline.job("apply").history == ["created", "waiting_for_resource", "pending"]
    deployed.run(pipeline.job("apply"))
    assert deployed.alias_version() == before

    # Another bootstrap: the function that carries it and its alias change, and no layer.
    pipeline = deployed.project.commit({"CHANGES": "the bootstrap changed\n"})
    assert pipeline is not None
    change_bootstrap(deployed.dist)
    deployed.build(pipeline)
    planned = deployed.run(pipeline.job("plan"))
    changed = re.findall(r"^ *# (\S+) (?:will|must) be (\S+)", planned, re.M)
    assert sorted(changed) == [
        ("module.runner.module.function.aws_lambda_alias.this[0]", "updated"),
        ("module.runner.module.function.aws_lambda_function.this[0]", "updated"),
    ]
    # The job that applies it runs on, in the environment of the old version.
    applied = deployed.run(pipeline.job("apply"))
    assert "Apply complete! Resources: 0 added, 2 changed, 0 destroyed." in applied
    assert deployed.alias_version() == before + 1
    assert pipeline.status == "success"
