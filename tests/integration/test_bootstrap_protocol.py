# SPDX-License-Identifier: Apache-2.0
"""The bootstrap with a runner that speaks the present protocol, which gitlab-runner 12.7 does not.

A scripted Runtime API, the stand-in GitLab with TLS, protocol_runner.py as /opt/bin/gitlab-runner.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.runtime_api import RuntimeApi
from integration.sandboxed_bootstrap import SandboxedBootstrap
from localcloud.gitlab import CertificateAuthority, ProjectVariable, StandInGitLab
from localcloud.waiting import wait_until, within

PROTOCOL_RUNNER = Path(__file__).resolve().parent / "protocol_runner.py"


@dataclass
class Stage:
    api: RuntimeApi
    gitlab: StandInGitLab
    bootstrap: SandboxedBootstrap
    job: Any


StageMaker = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[StageMaker]:
    with ExitStack() as stack:

        def make(
            behaviour: str,
            *arguments: str,
            margin: str = "15",
            variables: Mapping[str, str] | None = None,
            fault: Mapping[str, Any] | None = None,
        ) -> Stage:
            ca = CertificateAuthority(tmp_path / "ca")
            gitlab = stack.enter_context(StandInGitLab(ca=ca, folder=tmp_path / "gitlab"))
            runner = gitlab.create_runner(tags=[], run_untagged=True)
            project = gitlab.create_project("group/project")
            for name, value in (variables or {}).items():
                project.variables[name] = ProjectVariable(value)
            if fault:
                gitlab.faults.add(method="POST", path=r"/jobs/request$", **fault)
            pipeline = project.commit({".gitlab-ci.yml": "deploy: {script: [x]}"})
            opt_bin = tmp_path / "opt-bin"
            opt_bin.mkdir()
            shutil.copy(PROTOCOL_RUNNER, opt_bin / "gitlab-runner")
            shutil.copy(ca.file, opt_bin / "ca.pem")
            api = stack.enter_context(RuntimeApi())
            settings = {
                "CI_SERVER_URL": gitlab.url,
                "CI_SERVER_TOKEN": runner.token,
                "CI_SERVER_TLS_CA_FILE": "/opt/bin/ca.pem",
                "RUNLET_WAIT_TIMEOUT": "2",
                "RUNLET_DEADLINE_MARGIN": margin,
                "RUNLET_MIN_JOB_TIME": "5",
                "RUNLET_RUNNER_ARGS": json.dumps([f"--behaviour={behaviour}", *arguments]),
            }
            bootstrap = SandboxedBootstrap(tmp_path, api.address, settings, opt_bin)
            stack.enter_context(bootstrap)
            return Stage(api, gitlab, bootstrap, pipeline.job("deploy"))

        yield make


@pytest.mark.parametrize("arguments", [(), ("--checksum=wrong",)], ids=["", "412"])
def test_a_failed_job_has_its_exit_code(make_stage: StageMaker, arguments: tuple[str, ...]) -> None:
    stage = make_stage("fails", *arguments)
    stage.gitlab.accept_updates_later(2)

    result = stage.api.invoke().wait().json

    assert result["status"] == "job_failed"
    job = result["job"]
    assert (job["id"], job["name"], job["state"]) == (stage.job.id, "deploy", "failed")
    assert (job["failure_reason"], job["exit_code"]) == ("script_failure", 3)
    assert stage.job.exit_code == 3
    assert stage.job.trace == b"one\ntwo\n" and stage.job.checksum_ok
    # The runner's own changes from start to start.
    assert stage.job.system_id.startswith("s_")
    assert stage.job.history[:3] == ["created", "pending", "running"]


def test_after_script_runs_when_a_job_is_canceled(make_stage: StageMaker) -> None:
    stage = make_stage("is_canceled")
    invocation = stage.api.invoke()
    wait_until(lambda: b"working" in stage.job.trace, "the job runs")

    with within(45, "the job's end"):
        stage.job.cancel()
        assert stage.job.status == "canceling"
        result = invocation.wait().json

    assert result["status"] == "job_canceled" and result["job"]["state"] == "canceled"
    assert stage.job.status == "canceled"
    assert stage.job.trace.endswith(b"after_script 2\n") and stage.job.checksum_ok


def test_at_the_deadline_the_last_line_says_why(make_stage: StageMaker) -> None:
    stage = make_stage("is_stopped", margin="8")

    invocation = stage.api.invoke(seconds=20).wait()

    assert invocation.json["status"] == "deadline"
    assert invocation.left_ms > 0
    lines = stage.job.trace.decode().splitlines()
    assert lines[-2] == "the job is aborted"
    assert "time ran out" in lines[-1] and "maximum_timeout" in lines[-1]
    # The runner knows nothing of our line: what it says of the trace was made to fit.
    assert stage.job.checksum_ok
    assert len(stage.job.final_updates) == 1


def test_a_patient_runner_does_not_outlive_the_deadline(make_stage: StageMaker) -> None:
    stage = make_stage("is_patient", margin="8")

    invocation = stage.api.invoke(seconds=20).wait()

    assert invocation.json["status"] == "deadline"
    assert invocation.left_ms > 0
    assert stage.job.status == "failed"
    assert stage.job.failure_reason == "job_execution_timeout"
    assert "time ran out" in stage.job.trace.decode().splitlines()[-1]
    assert stage.job.checksum_ok
    lines = stage.bootstrap.processes().values()
    assert [line for line in lines if "gitlab-runner" in line] == []


def test_a_patient_runner_does_not_outlive_a_cancel(make_stage: StageMaker) -> None:
    stage = make_stage("is_patient")
    invocation = stage.api.invoke()
    wait_until(lambda: b"still here" in stage.job.trace, "the job runs")

    with within(45, "the job's end"):
        stage.job.cancel()
        result = invocation.wait().json

    assert result["status"] == "job_canceled"
    assert stage.job.status == "canceled"


def test_a_job_that_says_nothing_is_canceled_too(make_stage: StageMaker) -> None:
    stage = make_stage("is_stopped")
    invocation = stage.api.invoke()
    wait_until(lambda: b"until SIGTERM" in stage.job.trace, "the job runs")

    with within(45, "the job's end"):
        stage.job.cancel(force=True)
        invocation.wait()

    assert invocation.json["status"] == "job_canceled"


def test_two_jobs_of_one_environment_are_one_runner_manager(make_stage: StageMaker) -> None:
    stage = make_stage("succeeds")
    stage.job.project.commit({".gitlab-ci.yml": "again: {script: [x]}"})

    results = [stage.api.invoke().wait().json for _ in range(3)]

    statuses = [result["status"] for result in results]
    assert statuses == ["job_succeeded", "job_succeeded", "no_job"]
    assert len(stage.job.runner.system_ids) == 1


# --- Large jobs, and such as cannot be read ------------------------------------------------------

MIB = 1 << 20


def test_a_job_of_very_many_variables_runs(make_stage: StageMaker) -> None:
    """GitLab allows 8,000 variables for a project, of 10,000 characters each."""
    stage = make_stage("succeeds", variables={f"V{i}": "x" * 1300 for i in range(8000)})

    result = stage.api.invoke().wait().json

    assert result["status"] == "job_succeeded"
    pid = stage.bootstrap.bootstrap_pid()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert int(peak) * 1024 < 64 * MIB


@pytest.mark.parametrize(
    ("variables", "fault", "said"),
    [
        pytest.param({"A": "x" * 100_000}, {"cut_response_after": 50_000}, "", id="cut"),
        pytest.param({f"V{i}": "x" * MIB for i in range(33)}, {}, "larger than 33554432 bytes",
                     id="large"),
    ],
)  # fmt: skip
def test_a_job_that_cannot_be_read_is_failed(
    make_stage: StageMaker, variables: dict[str, str], fault: dict[str, Any], said: str
) -> None:
    """GitLab takes it for running: it would stay so until its timeout, and then the next one."""
    stage = make_stage("succeeds", variables=variables, fault=fault)

    result = stage.api.invoke().wait().json

    assert result["status"] == "job_failed"
    assert (result["job"]["id"], result["job"]["state"]) == (stage.job.id, "failed")
    assert stage.job.status == "failed" and stage.job.failure_reason == "runner_system_failure"
    line = stage.job.trace.decode()
    assert line.startswith("Runlet: the job could not be read") and said in line
    asked = [one for one in stage.gitlab.requests if one.path.endswith("/jobs/request")]
    assert len(asked) == 1
