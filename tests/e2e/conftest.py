# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: one local cloud, and a stage of its own for each test."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, DIST
from localcloud import LocalCloud

ARCH_DIST = DIST / "x86_64"
CA_IN_SANDBOX = "/opt/certs/gitlab-ca.pem"


def wait_until(condition: Callable[[], Any], limit: float, what: str) -> Any:
    """Waits until `condition()` is true and returns it; after `limit` seconds the test fails."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {limit} s in vain for {what}"
        time.sleep(0.05)
    return value


class Invoking:
    """An invocation that is under way while the test does something else."""

    def __init__(self, stage: Stage, event: Any = None) -> None:
        self._result: Any = None
        self._thread = threading.Thread(target=self._run, args=(stage, event), daemon=True)
        self._thread.start()

    def _run(self, stage: Stage, event: Any) -> None:
        self._result = stage.invoke(event)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def result(self, limit: float) -> Any:
        self._thread.join(limit)
        assert not self.running, f"the invocation did not end within {limit} s"
        return self._result


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults_left(cloud: LocalCloud) -> Iterator[None]:
    yield
    cloud.gitlab.faults.clear()
    cloud.gitlab.start_listening()


@pytest.fixture(scope="session")
def ca_layer(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with the certificate of the private CA, as a user of a private GitLab packs it."""
    folder = tmp_path_factory.mktemp("ca-layer")
    (folder / "certs").mkdir()
    assert cloud.gitlab.ca is not None
    (folder / "certs" / "gitlab-ca.pem").write_bytes(cloud.gitlab.ca.file.read_bytes())
    layer = tmp_path_factory.mktemp("layers") / "ca-layer.zip"
    subprocess.run(
        [BUILD / "bin" / "layer-packer", "pack", "--output", layer, folder],
        check=True,
        capture_output=True,
    )
    return layer


@dataclass
class Stage:
    """A function, its runner, and a project whose jobs only this runner takes."""

    cloud: LocalCloud
    function: str
    tag: str
    runner: Any
    project: Any
    secret_arn: str

    def commit(self, jobs: dict[str, dict[str, Any]], **top: Any) -> Any:
        """Commits a `.gitlab-ci.yml` (JSON is YAML) with these jobs and returns its pipeline."""
        tagged = {name: {"tags": [self.tag], **job} for name, job in jobs.items()}
        content = json.dumps({**top, **tagged}, indent=1)
        return self.project.commit({".gitlab-ci.yml": content}, ref="main", message="A change")

    def add_job(self, *script: str, name: str = "job", **keywords: Any) -> Any:
        return self.commit({name: {"script": list(script), **keywords}}).job(name)

    def invoke(self, event: Any = None, **options: Any) -> Any:
        return self.cloud.invoke(self.function, event={} if event is None else event, **options)

    def run(self, *script: str, **keywords: Any) -> tuple[Any, Any]:
        """Makes one job of this script, invokes the function once, and returns both."""
        job = self.add_job(*script, **keywords)
        return job, self.invoke()

    def start(self, event: Any = None) -> Invoking:
        return Invoking(self, event)

    def reconfigure(self, **environment: str | None) -> None:
        """Changes the function's environment variables: new execution environments follow."""
        client = self.cloud.aws.client("lambda")
        current = client.get_function_configuration(FunctionName=self.function)
        variables = dict(current["Environment"]["Variables"])
        for name, value in environment.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value
        client.update_function_configuration(
            FunctionName=self.function, Environment={"Variables": variables}
        )
        self.cloud.functions.drop_environments(self.function)

    @property
    def environments(self) -> list[Any]:
        return self.cloud.functions.environments(self.function)

    @property
    def logs(self) -> str:
        return "\n".join(self.cloud.functions.logs(self.function))


StageMaker = Callable[..., Stage]


@pytest.fixture
def make_stage(cloud: LocalCloud, ca_layer: Path) -> Iterator[StageMaker]:
    made: list[Stage] = []

    def make(
        *,
        timeout: int = 120,
        memory_size: int = 1024,
        ephemeral_storage: int = 512,
        with_git: bool = True,
        maximum_timeout: int | None = None,
        environment: dict[str, str | None] | None = None,
        runner_layer: Path | None = None,
    ) -> Stage:
        tag = f"stage-{uuid.uuid4().hex[:10]}"
        runner = cloud.gitlab.create_runner(
            tags=[tag], run_untagged=False, maximum_timeout=maximum_timeout
        )
        secret = cloud.aws.client("secretsmanager").create_secret(
            Name=f"{tag}/runner-token", SecretString=json.dumps({"token": runner.token})
        )
        variables: dict[str, str | None] = {
            "CI_SERVER_URL": cloud.gitlab.url,
            "CI_SERVER_TLS_CA_FILE": CA_IN_SANDBOX,
            "RUNNER_NAME": tag,
            "RUNLET_TOKEN_SECRET_ARN": secret["ARN"],
            "RUNLET_WAIT_TIMEOUT": "5",
            **(environment or {}),
        }
        layers = [runner_layer or ARCH_DIST / "gitlab-runner-layer.zip", ca_layer]
        if with_git:
            layers.insert(1, ARCH_DIST / "git-layer.zip")
        cloud.deploy_function(
            tag,
            zip=ARCH_DIST / "bootstrap.zip",
            layers=layers,
            environment={name: value for name, value in variables.items() if value is not None},
            timeout=timeout,
            memory_size=memory_size,
            ephemeral_storage=ephemeral_storage,
            handler="run",
        )
        project = cloud.gitlab.create_project(f"{tag}/project")
        stage = Stage(cloud, tag, tag, runner, project, secret["ARN"])
        made.append(stage)
        return stage

    yield make
    for stage in made:
        cloud.functions.drop_environments(stage.function)


@pytest.fixture
def stage(make_stage: StageMaker) -> Stage:
    return make_stage()
