# SPDX-License-Identifier: Apache-2.0
"""A full /tmp ends the job soon, and its trace is whole and says what to set."""

from __future__ import annotations

import json

from e2e.stage import Stage, StageMaker, last_line_of, output_of
from localcloud.waiting import within

FILL = "dd if=/dev/zero of=big bs=1M 2>/dev/null || echo it is full"
LINE = (
    "Runlet: /tmp, of 512 MB, ran full. Set the function's ephemeral_storage_size to more "
    "(10240 at most), or send jobs that need more to another runner."
)


def test_a_job_that_ends_by_itself_keeps_its_own_end(make_stage: StageMaker) -> None:
    arguments = json.dumps(["--output-limit", "16384"])
    stage = make_stage(environment={"RUNLET_RUNNER_ARGS": arguments})

    with within(60, "the job's own end, and not the function's"):
        # Long enough for gitlab-runner to have to write its trace meanwhile.
        job, invocation = stage.run(FILL, "seq 1000000; sleep 4; echo short", "exit 1")

    assert invocation.answer["status"] == "job_failed"
    assert job.failure_reason == "script_failure"
    assert "it is full\n" in output_of(job) and "\n1000000\nshort\n" in output_of(job)
    assert last_line_of(job) == LINE


def test_a_job_that_goes_on_is_stopped(stage: Stage) -> None:
    with within(60, "the job's end"):
        job, invocation = stage.run(FILL, "sleep 300")

    assert invocation.answer["status"] == "job_failed"
    assert job.failure_reason == invocation.answer["job"]["failure_reason"] == "script_failure"
    assert "it is full\n" in output_of(job)
    assert last_line_of(job) == LINE
    assert list(stage.environment.tmp.iterdir()) == []


def test_a_job_that_makes_room_again_goes_on(stage: Stage) -> None:
    job, invocation = stage.run(FILL, "sleep 1; rm big", "sleep 10; echo goes on")
    assert invocation.answer["status"] == "job_succeeded", output_of(job)

    job, _ = stage.run("echo nothing is full", "exit 1")
    assert "Runlet" not in output_of(job)
