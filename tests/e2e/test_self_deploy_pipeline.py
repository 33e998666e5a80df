# SPDX-License-Identifier: Apache-2.0
"""Self-deploy, whole: a pipeline plans and applies the runner that runs it, by the job role."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, DIST, REPO
from e2e.conftest import Publisher
from e2e.stage import output_of
from integration.runner_client import RunnerClient
from localcloud import LocalCloud
from localcloud.gitlab import Job, Pipeline, Project, Runner
from localcloud.gitlab.projects import ProjectVariable
from localcloud.terraform import Terraform, find_mirror

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


def publish(cloud: LocalCloud, dist: Path) -> None:
    """`make publish`: helpers/toolchain/publish.py, for artifacts in this folder."""
    tree = dist.parent / "helpers" / "toolchain"
    tree.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "helpers/toolchain/publish.py", tree)
    subprocess.run(
        [sys.executable, tree / "publish.py", ARTIFACTS],
        env=cloud.aws.environ(), check=True, capture_output=True,
    )  # fmt: skip


def with_another_bootstrap(folder: Path) -> Path:
    """The artifacts of a commit that changed the bootstrap, and nothing else."""
    dist = folder / "changed" / "dist"
    shutil.copytree(DIST / "x86_64", dist / "x86_64", ignore=shutil.ignore_patterns("bin"))
    content = folder / "content"
    with zipfile.ZipFile(DIST / "x86_64" / "bootstrap.zip") as archive:
        archive.extractall(content)
    (content / "bootstrap").chmod(0o755)
    (content / "licenses" / "runlet" / "VERSION").write_text("Runlet, changed\n")
    packed = subprocess.run(
        [BUILD / "bin" / "layer-packer", "pack", "--json", "--arch", "x86_64", "--output",
         dist / "x86_64" / "bootstrap.zip", content],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    index = json.loads((DIST / "artifacts.json").read_text())
    described = json.loads(packed.stdout)
    index = {"x86_64": index["x86_64"]}
    index["x86_64"]["bootstrap"] |= {
        key: described[key] for key in ("sha256", "source_code_hash", "size", "unzipped_size")
    }
    (dist / "artifacts.json").write_text(json.dumps(index))
    return dist


def without_arm64(folder: Path) -> Path:
    dist = folder / "first" / "dist"
    shutil.copytree(DIST / "x86_64", dist / "x86_64", ignore=shutil.ignore_patterns("bin"))
    index = json.loads((DIST / "artifacts.json").read_text())
    (dist / "artifacts.json").write_text(json.dumps({"x86_64": index["x86_64"]}))
    return dist


@dataclass
class SelfDeploy:
    cloud: LocalCloud
    project: Project
    compiler: Runner
    outputs: dict[str, Any]

    def build(self, pipeline: Pipeline, dist: Path) -> None:
        """Plays the runner with the compiler: publishes, and hands artifacts.json on."""
        publish(self.cloud, dist)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.write(dist / "artifacts.json", "dist/artifacts.json")
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
        assert invocation.response["status"] == "job_succeeded", (
            f"{invocation.response}\n{output_of(job)}"
        )
        return output_of(job)

    def alias_version(self) -> int:
        alias = self.cloud.aws.client("lambda").get_alias(
            FunctionName=self.outputs["function_name"], Name="live"
        )
        return int(alias["FunctionVersion"])


@pytest.fixture
def deployed(cloud: LocalCloud, tmp_path: Path, publish_ca: str) -> Iterator[SelfDeploy]:
    s3 = cloud.aws.client("s3")
    for bucket in (STATE, ARTIFACTS):
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.aws.region}
        )
    mirror = find_mirror()
    assert mirror, "this test needs a mirror of the AWS provider (tests/README.md)"
    zipped = tmp_path / "providers.zip"
    subprocess.run([REPO / "layers/opentofu/mirror.sh", mirror, zipped], check=True,
                   capture_output=True)  # fmt: skip
    digest = hashlib.sha256(zipped.read_bytes()).hexdigest()
    s3.upload_file(str(zipped), ARTIFACTS, "mirror/providers.zip")
    zipped.unlink()
    first = without_arm64(tmp_path)
    publish(cloud, first)

    runner = cloud.gitlab.create_runner(tags=["self-deploy"], run_untagged=False)
    compiler = cloud.gitlab.create_runner(tags=["compiler"], run_untagged=False)
    secret = cloud.aws.client("secretsmanager").create_secret(
        Name="pipeline/token", SecretString=runner.token
    )
    variables = {
        "name": "self-pipeline",
        "gitlab": json.dumps({"url": cloud.gitlab.url, "tls_ca_file": "/opt/gitlab-ca.pem"}),
        "extra_layer_arns": json.dumps([publish_ca]),
        "token_secret_arn": secret["ARN"],
        "state_bucket": STATE,
        "artifacts_bucket": ARTIFACTS,
        "provider_mirror": json.dumps(
            {"bucket": ARTIFACTS, "key": "mirror/providers.zip", "sha256": digest}
        ),
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
        artifacts=first,
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
    yield SelfDeploy(cloud, project, compiler, outputs)
    cloud.functions.drop_environments(outputs["function_name"])
    terraform.destroy(variables)
    for bucket in (STATE, ARTIFACTS):
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])


@pytest.fixture
def publish_ca(cloud: LocalCloud, publish: Publisher, tmp_path: Path) -> str:
    """A layer with the private CA's certificate where the example looks for it."""
    assert cloud.gitlab.ca is not None
    shutil.copy(cloud.gitlab.ca.file, tmp_path / "gitlab-ca.pem")
    layer = tmp_path / "self-deploy-ca.zip"
    subprocess.run([BUILD / "bin" / "layer-packer", "pack", "--output", layer,
                    tmp_path / "gitlab-ca.pem"], check=True, capture_output=True)  # fmt: skip
    return publish(layer)


@pytest.mark.timeout(900)
def test_a_pipeline_deploys_its_own_runner(deployed: SelfDeploy, tmp_path: Path) -> None:
    before = deployed.alias_version()

    # The same commit gives the same hashes: there is nothing to do.
    pipeline = deployed.project.commit(repository())
    assert pipeline is not None
    deployed.build(pipeline, tmp_path / "first" / "dist")
    assert "No changes." in deployed.run(pipeline.job("plan"))
    assert pipeline.job("apply").history == ["created", "waiting_for_resource", "pending"]
    deployed.run(pipeline.job("apply"))
    assert deployed.alias_version() == before

    # Another bootstrap: the function that carries it and its alias change, and no layer.
    pipeline = deployed.project.commit({"CHANGES": "the bootstrap changed\n"})
    assert pipeline is not None
    deployed.build(pipeline, with_another_bootstrap(tmp_path))
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
