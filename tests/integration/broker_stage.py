# SPDX-License-Identifier: Apache-2.0
"""A stand-in GitLab with a waiting job, and a broker before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.runner_client import BrokerHost, RunnerClient
from localcloud.gitlab import CertificateAuthority, StandInGitLab

ONE_JOB = "job: {script: [echo hello]}"


@dataclass
class Stage:
    gitlab: StandInGitLab
    project: Any
    runner: Any
    pipeline: Any
    broker: BrokerHost
    token_file: Path
    options: dict[str, Any]

    @property
    def job(self) -> Any:
        return self.pipeline.jobs[0]

    def client(self, **more: Any) -> RunnerClient:
        return RunnerClient(self.broker.url, self.broker.placeholder, **more)

    def another_broker(self) -> BrokerHost:
        """As for the following invocation."""
        return BrokerHost(self.gitlab.url, self.token_file, **self.options)

    def requests(self, method: str, path: str) -> list[Any]:
        return [r for r in self.gitlab.requests if r.method == method and path in r.path]


StageMaker = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[StageMaker]:
    with ExitStack() as stack:

        def make(ci: str | None = ONE_JOB, *, tls: bool = True, **options: Any) -> Stage:
            ca = CertificateAuthority(tmp_path / "ca") if tls else None
            gitlab = stack.enter_context(StandInGitLab(ca=ca, folder=tmp_path / "gitlab"))
            runner = gitlab.create_runner(tags=[], run_untagged=True)
            project = gitlab.create_project("group/project")
            pipeline = project.commit({".gitlab-ci.yml": ci}) if ci else None
            token_file = tmp_path / "token"
            token_file.write_text(runner.token + "\n")
            if ca:
                options.setdefault("ca_file", ca.file)
            broker = stack.enter_context(BrokerHost(gitlab.url, token_file, **options))
            return Stage(gitlab, project, runner, pipeline, broker, token_file, options)

        yield make
