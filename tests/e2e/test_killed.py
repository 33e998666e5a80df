# SPDX-License-Identifier: Apache-2.0
"""The job kills what runs it, or there is nothing to run it."""

from __future__ import annotations

import signal

import pytest

from e2e.stage import (
    Stage,
    StageMaker,
    commands_of,
    last_line_of,
    output_of,
    signal_bootstrap,
)
from localcloud.waiting import wait_until

KILL_RUNNER = "kill -KILL $(pidof gitlab-runner)"
LINES = "for i in $(seq 1 3000); do echo line-$i-of-the-trace; done"


def test_a_killed_runner_is_told_to_gitlab(stage: Stage) -> None:
    job = stage.add_job(LINES, 'while ! test -e "$HOME/go"; do sleep 0.2; done', KILL_RUNNER,
                        "(setsid sleep 100 &); sleep 100")  # fmt: skip
    invoking = stage.start()
    wait_until(lambda: b"line-3000-of-the-trace" in job.trace, "all lines in GitLab")
    (home,) = stage.environment.tmp.glob("runlet/*/home")

    (home / "go").touch()
    invocation = invoking.result()

    assert not invocation.function_error, invocation.response
    assert invocation.answer["status"] == "job_failed"
    assert invocation.answer["job"]["state"] == "failed"
    assert invocation.answer["job"]["failure_reason"] == "runner_system_failure"
    assert invocation.answer["job"]["exit_code"] is None
    assert job.status == "failed"
    assert job.failure_reason == "runner_system_failure"
    for i in (1, 1500, 3000):
        assert output_of(job).count(f"line-{i}-of-the-trace\n") == 1
    assert "gitlab-runner" in last_line_of(job) and "SIGKILL" in last_line_of(job)
    assert job.checksum_ok is True
    assert job.final_updates[-1]["output"]["bytesize"] == len(job.trace)
    assert len(commands_of(stage.environment)) == 1
    assert list(stage.environment.tmp.iterdir()) == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut_after": 10}, {"cut_response": True}])
def test_a_killed_runner_is_told_through_trouble(stage: Stage, fault: dict) -> None:
    job = stage.add_job("echo started", 'while ! test -e "$HOME/go"; do sleep 0.2; done',
                        KILL_RUNNER)  # fmt: skip
    invoking = stage.start()
    wait_until(lambda: b"started" in job.trace, "the job's first line")
    for method, path in (("PATCH", rf"/jobs/{job.id}/trace$"), ("PUT", rf"/jobs/{job.id}$")):
        stage.cloud.gitlab.faults.add(method=method, path=path, times=2, **fault)

    (home,) = stage.environment.tmp.glob("runlet/*/home")
    (home / "go").touch()
    invocation = invoking.result()

    assert invocation.answer["status"] == "job_failed", invocation.response
    assert job.status == "failed"
    assert "SIGKILL" in last_line_of(job)
    assert output_of(job).count("SIGKILL") == 1
    assert job.checksum_ok is True


def test_a_killed_runner_ends_the_invocation_within_30_s(stage: Stage) -> None:
    job = stage.add_job("echo started", "sleep 4", KILL_RUNNER, "sleep 100")

    invocation = stage.invoke()

    assert job.status == "failed"
    ended = job.timestamps["finished"] - job.timestamps["running"]
    assert ended < 4 + 30
    assert invocation.duration_ms < 40_000


@pytest.mark.usefixtures("unfiltered")
@pytest.mark.parametrize(
    ("kill", "error_type", "timeout"),
    [
        ("kill -KILL $(pidof bootstrap)", "Runtime.ExitError", 120),
        ("kill -KILL -1", "Runtime.ExitError", 120),
        ("kill -HUP $(pidof bootstrap)", "Runtime.ExitError", 120),
        ("kill -STOP $(pidof bootstrap)", "Sandbox.Timedout", 40),
    ],
)
def test_a_killed_bootstrap_costs_only_its_environment(
    make_stage: StageMaker, kill: str, error_type: str, timeout: int
) -> None:
    stage = make_stage(timeout=timeout, environment={"RUNLET_DEADLINE_MARGIN": "8"})
    job, invocation = stage.run("echo left > /tmp/left", kill, "sleep 300")

    assert invocation.function_error
    assert invocation.response["errorType"] == error_type
    assert job.status == "running"  # GitLab's own timeout ends it: the README says so
    assert not any(one.alive for one in stage.environments)
    assert "does not allow a seccomp filter" in stage.logs

    next_job, next_invocation = stage.run('test "$(ls -A /tmp)" = runlet', "echo clean")
    assert next_invocation.answer["status"] == "job_succeeded", output_of(next_job)
    assert next_invocation.environment_id != invocation.environment_id

    stage.cloud.gitlab.advance(7200)
    assert job.status == "failed"


def test_a_bootstrap_that_lambda_ends_closes_its_job(stage: Stage) -> None:
    job = stage.add_job("echo started", "sleep 300")
    invoking = stage.start()
    wait_until(lambda: b"started" in job.trace, "the job's first line")
    # From outside of the sandbox, as Lambda does.
    signal_bootstrap(stage.environment, signal.SIGTERM)

    invocation = invoking.result()

    assert invocation.answer["status"] == "job_failed"
    assert job.status == "failed"
    assert job.failure_reason == "runner_interrupted"
    assert "started\n" in output_of(job)
    assert "ended the environment" in last_line_of(job)
    next_job, next_invocation = stage.run("echo clean")
    assert next_invocation.answer["status"] == "job_succeeded", output_of(next_job)
    assert next_invocation.environment_id != invocation.environment_id


@pytest.mark.usefixtures("unfiltered")
def test_a_jobs_sigterm_is_not_lambdas(stage: Stage) -> None:
    job, invocation = stage.run("kill -TERM $(pidof bootstrap)", "sleep 2", "echo still here")

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    assert "still here\n" in output_of(job)
    assert "it is ignored" in stage.logs
    _, next_invocation = stage.run("echo next")
    assert next_invocation.environment_id == invocation.environment_id


@pytest.mark.usefixtures("unfiltered")
def test_a_used_tmp_after_a_crash_is_emptied_at_init(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.cloud.functions.keep_tmp_after_crash = True
    try:
        _, first = stage.run(
            "mkdir -p /tmp/a/b; echo s > /tmp/secret; chmod 000 /tmp/a/b",
            "kill -KILL $(pidof bootstrap)",
        )
        job, second = stage.run('test "$(ls -A /tmp)" = runlet', "echo clean")
    finally:
        stage.cloud.functions.keep_tmp_after_crash = False

    assert first.function_error
    assert second.answer["status"] == "job_succeeded", output_of(job)


def test_memory_used_up_is_lambdas_end_of_the_environment(make_stage: StageMaker) -> None:
    stage = make_stage(memory_size=256)

    job, invocation = stage.run("echo started", "tail -c 2000000000 /dev/zero", "sleep 300")

    assert invocation.function_error
    assert job.status == "running"
    next_job, next_invocation = stage.run("echo clean")
    assert next_invocation.answer["status"] == "job_succeeded", output_of(next_job)
    assert next_invocation.environment_id != invocation.environment_id


def test_a_function_without_the_runner_layer(make_stage: StageMaker) -> None:
    stage = make_stage(layers=["git"])

    invocation = stage.invoke()

    assert invocation.function_error
    assert invocation.response["errorType"] == "Function.RunnerMissing"
    assert "layer" in invocation.response["errorMessage"]


def test_a_job_without_git_fails_and_says_so(make_stage: StageMaker) -> None:
    stage = make_stage(layers=["gitlab-runner"])

    job, invocation = stage.run("echo never")

    assert invocation.answer["status"] == "job_failed"
    assert job.status == "failed"
    assert "git: command not found" in output_of(job)
