# SPDX-License-Identifier: Apache-2.0
"""GitLab refuses, is down, fails, throttles, is slow, or cuts the connection."""

from __future__ import annotations

import json
import time

import pytest

from e2e.conftest import Stage, StageMaker, wait_until

LINES = "for i in $(seq 1 400); do echo line-$i-of-the-trace; done"
ALL_LINES = b"".join(b"line-%d-of-the-trace\n" % i for i in range(1, 401))


def test_a_wrong_token_is_an_error_at_once(stage: Stage) -> None:
    stage.cloud.aws.client("secretsmanager").put_secret_value(
        SecretId=stage.secret_arn, SecretString="glrt-wrong-token-0000000"
    )
    stage.add_job("echo never")

    begin = time.monotonic()
    invocation = stage.invoke()
    seconds = time.monotonic() - begin

    assert invocation.function_error
    assert invocation.response["errorType"] == "Function.RunnerUnauthorized"
    assert "glrt-wrong" not in stage.logs + json.dumps(invocation.response)
    assert seconds < 30  # five seconds promised; cold start and slack for a slow machine
    assert invocation.duration_ms < 15_000


def test_a_token_rotated_while_the_environment_is_warm(stage: Stage) -> None:
    _, first = stage.run("echo one")

    token = stage.runner.reset_token()
    stage.cloud.aws.client("secretsmanager").put_secret_value(
        SecretId=stage.secret_arn, SecretString=json.dumps({"token": token})
    )
    job, second = stage.run("echo two")

    assert first.environment_id == second.environment_id
    assert second.response["status"] == "job_succeeded"
    assert job.status == "success"


def test_gitlab_is_down(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=120, environment={"RUNLET_WAIT_TIMEOUT": "1"})
    stage.cloud.gitlab.stop_listening()

    invocation = stage.invoke()

    assert invocation.function_error
    assert invocation.response["errorType"] == "Function.GitLabUnreachable"
    assert str(stage.cloud.gitlab.port) in invocation.response["errorMessage"]


def test_gitlab_comes_back_while_the_invocation_waits(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=120)
    job = stage.add_job("echo ok")
    stage.cloud.gitlab.stop_listening()
    invoking = stage.start()
    wait_until(lambda: "onnect" in stage.logs, 60, "the first failed request in the log")

    stage.cloud.gitlab.start_listening()

    assert invoking.result(limit=100).response["status"] == "job_succeeded"
    assert job.status == "success"


def test_an_untrusted_certificate_is_named(make_stage: StageMaker) -> None:
    stage = make_stage(
        timeout=120, environment={"CI_SERVER_TLS_CA_FILE": None, "RUNLET_WAIT_TIMEOUT": "1"}
    )

    invocation = stage.invoke()

    assert invocation.response["errorType"] == "Function.GitLabUnreachable"
    assert "certificate" in invocation.response["errorMessage"]


@pytest.mark.parametrize(
    ("status", "headers"), [(500, {}), (502, {}), (429, {"Retry-After": "1"})]
)
def test_job_requests_that_fail_are_sent_again(
    stage: Stage, status: int, headers: dict[str, str]
) -> None:
    stage.cloud.gitlab.faults.add(
        method="POST", path=r"/jobs/request$", status=status, headers=headers, times=2
    )

    job, invocation = stage.run("echo ok")

    assert invocation.response["status"] == "job_succeeded"
    assert job.status == "success"


@pytest.mark.parametrize(
    ("status", "headers"), [(500, {}), (503, {}), (429, {"Retry-After": "1"})]
)
def test_nothing_of_a_trace_is_lost_when_gitlab_fails(
    stage: Stage, status: int, headers: dict[str, str]
) -> None:
    job = stage.add_job(LINES)
    for method, path in (("PATCH", rf"/jobs/{job.id}/trace$"), ("PUT", rf"/jobs/{job.id}$")):
        stage.cloud.gitlab.faults.add(
            method=method, path=path, status=status, headers=headers, times=2
        )

    invocation = stage.invoke()

    assert invocation.response["status"] == "job_succeeded"
    assert job.status == "success"
    assert ALL_LINES in job.trace


@pytest.mark.parametrize("fault", [{"cut_after": 1000}, {"cut_response": True}])
def test_nothing_of_a_trace_is_lost_when_connections_are_cut(stage: Stage, fault: dict) -> None:
    job = stage.add_job(LINES)
    stage.cloud.gitlab.faults.add(
        method="PATCH", path=rf"/jobs/{job.id}/trace$", times=2, **fault
    )

    invocation = stage.invoke()

    assert invocation.response["status"] == "job_succeeded"
    assert ALL_LINES in job.trace
    assert job.trace.count(b"line-7-of-the-trace\n") == 1


def test_a_final_update_whose_answer_is_cut(stage: Stage) -> None:
    job = stage.add_job("echo ok")
    stage.cloud.gitlab.faults.add(
        method="PUT", path=rf"/jobs/{job.id}$", cut_response=True, times=1
    )

    invocation = stage.invoke()

    assert job.status == "success"
    assert invocation.response["status"] == "job_succeeded"


def test_a_slow_gitlab(stage: Stage) -> None:
    job = stage.add_job(LINES)
    stage.cloud.gitlab.faults.add(method="*", path=r"/api/v4/jobs", delay=4.0, times=3)

    invocation = stage.invoke()

    assert invocation.response["status"] == "job_succeeded"
    assert ALL_LINES in job.trace


def test_gitlab_fails_for_good_in_the_middle_of_a_job(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=45, environment={"RUNLET_DEADLINE_MARGIN": "12"})
    job = stage.add_job("echo started", "sleep 3", LINES)
    for method, path in (("PATCH", rf"/jobs/{job.id}/trace$"), ("PUT", rf"/jobs/{job.id}$")):
        stage.cloud.gitlab.faults.add(method=method, path=path, status=500, times=10_000)

    invocation = stage.invoke()

    # The job's end could not be told to GitLab: whatever the result, it is told before Lambda's
    # own time limit, and says so in the log.
    assert "timed out" not in str(invocation.response)
    assert invocation.duration_ms < 45_000
    assert "500" in stage.logs
