# SPDX-License-Identifier: Apache-2.0
"""The function's time runs out: the job is stopped in time and GitLab says why."""

from __future__ import annotations

import pytest

from e2e.stage import Stage, StageMaker, commands_of, last_line_of, output_of
from localcloud.waiting import wait_until

LOOP = "for i in $(seq 1 1000); do sleep 1; done"
SCRIPTS = {
    "quiet": ["echo started", "sleep 600"],
    "talking": ["echo started", "for i in $(seq 1 100000); do echo line $i; sleep 0.01; done"],
    "ignores_sigterm": [f"trap '' TERM INT HUP; echo started; {LOOP}"],
    "stops_the_runner": ["echo started; sleep 5; kill -STOP $(pidof gitlab-runner); sleep 600"],
    "left_its_group": ["echo started", "(trap '' TERM; exec setsid sleep 600) & wait"],
}


@pytest.mark.parametrize("margin", [8, 15])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_the_job_is_stopped_before_lambda_stops_us(
    make_stage: StageMaker, margin: int, script: list[str]
) -> None:
    timeout = margin + 22
    stage = make_stage(timeout=timeout, environment={"RUNLET_DEADLINE_MARGIN": str(margin)})

    job, invocation = stage.run(*script)

    assert not invocation.function_error, invocation.response
    assert invocation.answer["status"] == "deadline"
    assert invocation.answer["job"]["state"] == "failed"
    # Not what people retry by: a deploy that was cut must not run again by itself.
    assert invocation.answer["job"]["failure_reason"] == "job_execution_timeout"
    assert job.failure_reason == "job_execution_timeout"
    assert invocation.duration_ms < timeout * 1000
    assert job.status == "failed"
    assert "started\n" in output_of(job)
    last_line = last_line_of(job)
    assert "time ran out" in last_line and "maximum_timeout" in last_line, last_line
    assert output_of(job).count("maximum_timeout") == 1
    assert job.checksum_ok in (None, True)
    assert_nothing_is_left(stage)

    job, invocation = stage.run("echo next")
    assert invocation.answer["status"] == "job_succeeded", output_of(job)


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut_response": True}, {"delay": 1.0}])
def test_the_line_gets_through_trouble_at_the_end(make_stage: StageMaker, fault: dict) -> None:
    stage = make_stage(timeout=30, environment={"RUNLET_DEADLINE_MARGIN": "8"})
    job = stage.add_job("echo started", "sleep 600")
    invoking = stage.start()
    wait_until(lambda: b"started" in job.trace, "the job's first line")
    for method, path in (("PATCH", rf"/jobs/{job.id}/trace$"), ("PUT", rf"/jobs/{job.id}$")):
        stage.cloud.gitlab.faults.add(method=method, path=path, times=2, **fault)

    invocation = invoking.result()

    assert invocation.answer["status"] == "deadline", invocation.response
    assert job.status == "failed"
    assert "time ran out" in last_line_of(job)
    assert output_of(job).count("maximum_timeout") == 1
    assert_nothing_is_left(stage)


def assert_nothing_is_left(stage: Stage) -> None:
    (bootstrap,) = commands_of(stage.environment)
    assert "bootstrap" in bootstrap
    assert list(stage.environment.tmp.iterdir()) == []


def test_with_too_little_time_no_job_is_taken(make_stage: StageMaker) -> None:
    stage = make_stage(
        timeout=30, environment={"RUNLET_DEADLINE_MARGIN": "15", "RUNLET_MIN_JOB_TIME": "25"}
    )
    job = stage.add_job("echo never")

    invocation = stage.invoke()

    assert invocation.response == {"status": "no_job", "job": None}
    assert job.status == "pending"


HOLDS = {
    "RUNLET_DEADLINE_MARGIN": "10",
    "RUNLET_MIN_JOB_TIME": "5",
    "RUNLET_WAIT_TIMEOUT": "600",
}


@pytest.mark.parametrize("answered_before", [True, False])
def test_a_held_job_request_ends_at_the_margin(
    make_stage: StageMaker, answered_before: bool
) -> None:
    """GitLab holds a job request for longer than there is time: there was no job."""
    stage = make_stage(timeout=25, environment=HOLDS)
    if answered_before:
        stage.cloud.gitlab.faults.add(method="POST", path=r"/jobs/request$", status=204)
    held = stage.cloud.gitlab.faults.add(method="POST", path=r"/jobs/request$", delay=50.0)

    invocation = stage.invoke()

    assert held.used == 1
    assert not invocation.function_error, invocation.response
    assert invocation.response == {"status": "no_job", "job": None}
    assert 14_000 < invocation.duration_ms < 25_000
    assert "given up" in stage.logs
    assert_nothing_is_left(stage)


def test_a_job_handed_out_too_late_is_ended_by_gitlab(make_stage: StageMaker) -> None:
    """What the README says of a request that had to be given up."""
    stage = make_stage(timeout=25, environment=HOLDS)
    job = stage.add_job("echo never")
    stage.cloud.gitlab.faults.add(method="POST", path=r"/jobs/request$", delay_response=20.0)

    invocation = stage.invoke()

    assert not invocation.function_error, invocation.response
    assert invocation.response == {"status": "no_job", "job": None}
    assert job.status == "running"
    stage.cloud.gitlab.advance(7200)
    assert job.status == "failed"
