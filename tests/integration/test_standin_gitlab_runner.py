# SPDX-License-Identifier: Apache-2.0
"""The real gitlab-runner (shell executor) against the stand-in GitLab, nothing in between."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.gitlab import CertificateAuthority, Pipeline, StandInGitLab
from localcloud.waiting import LIMIT, wait_until

REPO = Path(__file__).resolve().parents[2]
ARCH = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
RUNNER = REPO / "build/layers/gitlab-runner" / ARCH / "bin/gitlab-runner"


@pytest.fixture
def gitlab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandInGitLab]:
    scheme = getattr(request, "param", "https")
    ca = CertificateAuthority(tmp_path / "ca") if scheme == "https" else None
    with StandInGitLab(ca=ca, folder=tmp_path / "gitlab") as running:
        running.trace_update_interval = 1
        running.create_runner(tags=["shell"])
        running.create_project("group/project")
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def commit(gitlab: StandInGitLab, text: str) -> Pipeline:
    pipeline = gitlab.projects[0].commit({".gitlab-ci.yml": text, "file.txt": "of the repository"})
    assert pipeline
    return pipeline


@contextmanager
def runner(gitlab: StandInGitLab, home: Path, jobs: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """gitlab-runner run-single, which ends by itself after so many jobs."""
    assert RUNNER.exists(), f"{RUNNER} is missing: `make layers` builds it"
    command = [
        *(RUNNER, "run-single", "--url", gitlab.url, "--token", gitlab.runners[0].token),
        *("--executor", "shell", "--shell", "bash", "--max-builds", str(jobs)),
        *("--wait-timeout", "20", "--builds-dir", home / "builds", "--cache-dir", home / "cache"),
    ]
    if gitlab.ca:
        command += ["--tls-ca-file", gitlab.ca.file]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    with (home / "runner.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield process
            process.wait(LIMIT)
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("gitlab", ["https", "http"], indirect=True)
def test_a_pipeline_with_artifacts(gitlab: StandInGitLab, home: Path) -> None:
    pipeline = commit(
        gitlab,
        """
        default: {tags: [shell]}
        variables: {COLOUR: red}
        build:
          stage: build
          script:
            - cat file.txt
            - echo "colour is $COLOUR, token is $CI_JOB_TOKEN"
            - head -c 3000000 /dev/urandom > big.bin
            - sha256sum big.bin | tee sum
          after_script: [echo this is after]
          artifacts: {paths: [big.bin, sum], expire_in: 1 day}
        check:
          stage: test
          script: [sha256sum -c sum]
        """,
    )

    with runner(gitlab, home, jobs=2):
        pipeline.wait()

    build, check = pipeline.job("build"), pipeline.job("check")
    assert pipeline.status == "success", (home / "runner.log").read_text()
    assert b"of the repository" in build.trace
    assert b"colour is red, token is [MASKED]" in build.trace
    assert b"this is after" in build.trace
    assert b"big.bin: OK" in check.trace
    assert build.artifacts
    assert build.artifacts.stat().st_size > 3_000_000
    assert build.runner_info["executor"] == "shell"


def test_a_job_that_fails(gitlab: StandInGitLab, home: Path) -> None:
    pipeline = commit(gitlab, "job: {script: [echo before, exit 3, echo never], tags: [shell]}")

    with runner(gitlab, home):
        pipeline.wait()

    job = pipeline.job("job")
    assert (job.status, job.failure_reason) == ("failed", "script_failure")
    assert b"\nbefore\n" in job.trace
    assert b"\nnever\n" not in job.trace


def test_a_job_that_is_canceled(gitlab: StandInGitLab, home: Path) -> None:
    # It prints, because this runner asks a silent job's state but every thirty seconds.
    script = "while true; do echo started; sleep 0.2; done"
    job = commit(gitlab, f"job: {{script: ['{script}'], tags: [shell]}}").job("job")

    with runner(gitlab, home):
        job.wait("running")
        wait_until(lambda: b"\nstarted\n" in job.trace, "the job's first line")
        job.cancel()

    assert job.status == "canceled"
    assert job.pipeline.status == "canceled"


def test_a_trace_survives_trouble(gitlab: StandInGitLab, home: Path) -> None:
    script = "for i in $(seq 1 3000); do echo line $i of many; done"
    job = commit(gitlab, f"job: {{script: ['{script}'], tags: [shell]}}").job("job")
    gitlab.faults.add(method="PATCH", path=r"/trace$", status=500)
    gitlab.faults.add(method="PATCH", path=r"/trace$", cut_response=True)
    gitlab.faults.add(method="PATCH", path=r"/trace$", cut_after=100)
    gitlab.faults.add(method="PUT", path=r"/jobs/\d+$", status=502)

    with runner(gitlab, home):
        job.wait()

    assert job.status == "success"
    assert re.findall(rb"^line (\d+) of many", job.trace, re.M) == [
        b"%d" % i for i in range(1, 3001)
    ]
