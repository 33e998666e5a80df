# SPDX-License-Identifier: Apache-2.0
"""The job kills what runs it."""

from __future__ import annotations

import pytest

from e2e.conftest import Stage, StageMaker

KILL_RUNNER = "kill -KILL $(pidof gitlab-runner)"


def test_a_killed_runner_is_told_to_gitlab(stage: Stage) -> None:
    job, invocation = stage.run("echo all of this was sent", "sleep 5", KILL_RUNNER, "sleep 100")

    assert not invocation.function_error, invocation.response
    assert invocation.response["status"] == "job_failed"
    assert invocation.response["job"]["failure_reason"] == "runner_system_failure"
    assert job.status == "failed"
    assert job.failure_reason == "runner_system_failure"
    assert b"all of this was sent" in job.trace
    last_line = job.trace.decode().rstrip().splitlines()[-1]
    assert "gitlab-runner" in last_line and "SIGKILL" in last_line
    assert job.checksum_ok is True
    assert invocation.duration_ms < 60_000
    (environment,) = stage.environments
    assert [one for one in environment.commands() if "sleep" in one] == []


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_a_killed_bootstrap_costs_only_its_environment(
    make_stage: StageMaker, signal: str
) -> None:
    stage = make_stage(timeout=40)
    job, invocation = stage.run(
        "echo left > /tmp/left", f"kill -{signal} $(pidof bootstrap)", "sleep 300"
    )

    assert invocation.function_error
    assert job.status == "running"  # GitLab's own timeout ends it: the README says so
    assert not any(one.alive for one in stage.environments)

    next_job, next_invocation = stage.run('test "$(ls -A /tmp)" = runlet', "echo clean")
    assert next_invocation.response["status"] == "job_succeeded", next_job.trace.decode()
    assert next_invocation.environment_id != invocation.environment_id

    stage.cloud.gitlab.advance(7200)
    assert job.status == "failed"


def test_a_used_tmp_after_a_crash_is_emptied_at_init(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=40)
    stage.cloud.functions.keep_tmp_after_reset = True
    try:
        _, first = stage.run(
            "mkdir -p /tmp/a/b; chmod 000 /tmp/a/b; echo s > /tmp/secret",
            "kill -KILL $(pidof bootstrap)",
        )
        job, second = stage.run('test "$(ls -A /tmp)" = runlet', "echo clean")
    finally:
        stage.cloud.functions.keep_tmp_after_reset = False

    assert first.function_error
    assert second.response["status"] == "job_succeeded", job.trace.decode()


def test_a_function_without_the_runner_layer(make_stage: StageMaker, cloud, ca_layer) -> None:
    stage = make_stage(runner_layer=ca_layer)

    invocation = stage.invoke()

    assert invocation.function_error
    assert invocation.response["errorType"] == "Function.RunnerMissing"
