# SPDX-License-Identifier: Apache-2.0
"""The function's time runs out: the job is stopped in time and GitLab says why."""

from __future__ import annotations

import pytest

from e2e.conftest import StageMaker

STUBBORN = "trap '' TERM; echo stubborn; for i in $(seq 1 1000); do sleep 1; done"


@pytest.mark.parametrize("margin", [8, 15])
@pytest.mark.parametrize(
    "script", [["echo started", "sleep 600"], [STUBBORN], ["(trap '' TERM; setsid sleep 600) & wait"]]
)
def test_the_job_is_stopped_before_lambda_stops_us(
    make_stage: StageMaker, margin: int, script: list[str]
) -> None:
    stage = make_stage(timeout=45, environment={"RUNLET_DEADLINE_MARGIN": str(margin)})

    job, invocation = stage.run(*script)

    assert not invocation.function_error, invocation.response
    assert invocation.response["status"] == "deadline"
    assert invocation.response["job"]["state"] == "failed"
    assert invocation.duration_ms < 45_000
    assert job.status == "failed"
    last_line = job.trace.decode().rstrip().splitlines()[-1]
    assert "time" in last_line and "maximum_timeout" in last_line, last_line
    assert job.checksum_ok in (None, True)
    (environment,) = stage.environments
    assert environment.alive
    commands = environment.commands()
    assert [one for one in commands if "sleep" in one or "gitlab-runner" in one] == []

    job, invocation = stage.run("echo next")
    assert invocation.response["status"] == "job_succeeded"


def test_with_too_little_time_no_job_is_taken(make_stage: StageMaker) -> None:
    stage = make_stage(
        timeout=30, environment={"RUNLET_DEADLINE_MARGIN": "15", "RUNLET_MIN_JOB_TIME": "25"}
    )
    job = stage.add_job("echo never")

    invocation = stage.invoke()

    assert invocation.response == {"status": "no_job", "job": None}
    assert job.status == "pending"


def test_a_long_poll_ends_at_the_margin(make_stage: StageMaker) -> None:
    stage = make_stage(
        timeout=30,
        environment={
            "RUNLET_DEADLINE_MARGIN": "10",
            "RUNLET_MIN_JOB_TIME": "5",
            "RUNLET_WAIT_TIMEOUT": "600",
        },
    )
    stage.cloud.gitlab.faults.add(method="POST", path=r"/jobs/request$", delay=50.0, times=1)

    invocation = stage.invoke()

    assert not invocation.function_error, invocation.response
    assert invocation.response["status"] == "no_job"
    assert invocation.duration_ms < 30_000
