# SPDX-License-Identifier: Apache-2.0
"""GitLab refuses, is down, fails, throttles, is slow, or cuts the connection."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.stage import Stage, StageMaker, output_of
from localcloud.waiting import load_per_core, wait_until

COUNT = 400
LINES = f"for i in $(seq 1 {COUNT}); do echo line-$i-of-the-trace; done"
ALL_LINES = "".join(f"line-{i}-of-the-trace\n" for i in range(1, COUNT + 1))
REQUESTS = r"/jobs/request$"
TROUBLE = [
    pytest.param({"status": 500}, id="500"),
    pytest.param({"status": 503}, id="503"),
    pytest.param({"status": 429, "headers": {"Retry-After": "1"}}, id="429"),
]


def assert_whole_trace(job: Any) -> None:
    assert ALL_LINES in output_of(job)
    assert output_of(job).count("line-7-of-the-trace\n") == 1


# --- The token -----------------------------------------------------------------------------------


def test_a_wrong_token_is_an_error_at_once(stage: Stage) -> None:
    stage.put_token("glrt-wrong-token-0000000")
    stage.add_job("echo never")
    before = len(stage.cloud.gitlab.requests)

    invocation = stage.invoke()

    assert invocation.function_error
    assert invocation.response["errorType"] == "Function.RunnerUnauthorized"
    assert "token" in invocation.response["errorMessage"]
    assert "glrt-wrong" not in stage.logs + json.dumps(invocation.response)
    # Told within five seconds of GitLab's refusal: the rest is a slow machine's start.
    refused = [one for one in stage.cloud.gitlab.requests[before:] if one.status == 403]
    assert refused and invocation.finished_at is not None
    assert invocation.finished_at - refused[0].time < 5 * load_per_core()


def test_a_token_rotated_while_the_environment_is_warm(stage: Stage) -> None:
    _, first = stage.run("echo one")

    stage.put_token(json.dumps({"token": stage.runner.reset_token()}))
    job, second = stage.run("echo two")

    assert first.environment_id == second.environment_id
    assert second.answer["status"] == "job_succeeded"
    assert job.status == "success"


def test_a_token_that_is_put_right_later(stage: Stage) -> None:
    stage.put_token("glrt-wrong-token-0000000")
    assert stage.invoke().response["errorType"] == "Function.RunnerUnauthorized"

    stage.put_token(stage.runner.token)
    job, invocation = stage.run("echo ok")

    assert invocation.answer["status"] == "job_succeeded"
    assert job.status == "success"


@pytest.mark.parametrize("secret", ["", "{}", '{"token": 7}', '{"token": ""}', "not a token\n\n"])
def test_a_secret_without_a_token(stage: Stage, secret: str) -> None:
    stage.put_token(secret or " ")

    invocation = stage.invoke()

    assert invocation.function_error
    assert invocation.response["errorType"] == "Runtime.TokenUnavailable"
    assert stage.secret_arn in invocation.response["errorMessage"]


def test_a_secret_that_is_not_there(make_stage: StageMaker) -> None:
    stage = make_stage(
        environment={
            "RUNLET_TOKEN_SECRET_ARN": None,
            "RUNLET_TOKEN_PARAMETER": "/nowhere/to/be/found",
        }
    )

    invocation = stage.invoke()

    assert invocation.response["errorType"] == "Runtime.TokenUnavailable"
    assert "/nowhere/to/be/found" in invocation.response["errorMessage"]
    assert "ParameterNotFound" in invocation.response["errorMessage"]


# --- No job can be asked for ---------------------------------------------------------------------


def assert_unreachable(stage: Stage, why: str) -> None:
    invocation = stage.invoke()

    assert invocation.function_error, invocation.response
    assert invocation.response["errorType"] == "Function.GitLabUnreachable"
    assert why in invocation.response["errorMessage"]
    # RUNLET_WAIT_TIMEOUT and 30 seconds, and the start and the end on a slow machine.
    assert invocation.duration_ms < 45_000


def test_gitlab_is_down(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_WAIT_TIMEOUT": "1"})
    stage.cloud.gitlab.stop_listening()

    assert_unreachable(stage, str(stage.cloud.gitlab.port))


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        pytest.param({"status": 500}, "500", id="500"),
        pytest.param({"status": 429, "headers": {"Retry-After": "2"}}, "429", id="429"),
        pytest.param({"cut_response": True}, "GitLab", id="cut"),
    ],
)
def test_gitlab_fails_for_good(make_stage: StageMaker, fault: dict, why: str) -> None:
    stage = make_stage(environment={"RUNLET_WAIT_TIMEOUT": "1"})
    stage.cloud.gitlab.faults.add(method="POST", path=REQUESTS, times=None, **fault)

    assert_unreachable(stage, why)


def test_an_untrusted_certificate_is_named(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"CI_SERVER_TLS_CA_FILE": None, "RUNLET_WAIT_TIMEOUT": "1"})

    assert_unreachable(stage, "certificate")


def test_gitlab_comes_back_while_the_invocation_waits(stage: Stage) -> None:
    job = stage.add_job("echo ok")
    stage.cloud.gitlab.stop_listening()
    invoking = stage.start()
    wait_until(lambda: "onnect" in stage.logs, "the first failed request in the log")

    stage.cloud.gitlab.start_listening()

    assert invoking.result().answer["status"] == "job_succeeded"
    assert job.status == "success"


@pytest.mark.parametrize("fault", [*TROUBLE, pytest.param({"cut_after": 10}, id="cut")])
def test_job_requests_that_fail_are_sent_again(stage: Stage, fault: dict) -> None:
    stage.cloud.gitlab.faults.add(method="POST", path=REQUESTS, times=2, **fault)

    job, invocation = stage.run("echo ok")

    assert invocation.answer["status"] == "job_succeeded"
    assert job.status == "success"


# --- In the middle of a job ----------------------------------------------------------------------


# What a firewall says, which GitLab knows nothing of.
BLOCKED = {
    "status": 403,
    "headers": {"Content-Type": "text/html"},
    "body": "<html>Blocked</html>",
}


@pytest.mark.parametrize("fault", [*TROUBLE, BLOCKED])
def test_nothing_of_a_trace_is_lost_when_gitlab_fails(stage: Stage, fault: dict) -> None:
    job = stage.add_job(LINES)
    for method, path in (("PATCH", rf"/jobs/{job.id}/trace$"), ("PUT", rf"/jobs/{job.id}$")):
        stage.cloud.gitlab.faults.add(method=method, path=path, times=2, **fault)

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded"
    assert job.status == "success"
    assert_whole_trace(job)


@pytest.mark.parametrize("fault", [{"cut_after": 1000}, {"cut_response": True}])
def test_nothing_of_a_trace_is_lost_when_connections_are_cut(stage: Stage, fault: dict) -> None:
    job = stage.add_job(LINES)
    stage.cloud.gitlab.faults.add(method="PATCH", path=rf"/jobs/{job.id}/trace$", times=2, **fault)

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded"
    assert_whole_trace(job)


def test_nothing_of_a_trace_is_lost_while_gitlab_is_down(stage: Stage) -> None:
    job = stage.add_job("echo started", "while ! test -e $HOME/go; do sleep 0.2; done", LINES)
    invoking = stage.start()
    wait_until(lambda: b"started" in job.trace, "the job's first line")
    (home,) = stage.environment.tmp.glob("runlet/*/home")
    stage.cloud.gitlab.stop_listening()
    (home / "go").touch()
    wait_until(lambda: "could not be sent" in stage.logs, "the first refused connection")

    stage.cloud.gitlab.start_listening()

    assert invoking.result().answer["status"] == "job_succeeded"
    assert job.status == "success"
    assert_whole_trace(job)


def test_a_final_update_whose_answer_is_cut(stage: Stage) -> None:
    job = stage.add_job("echo ok")
    stage.cloud.gitlab.faults.add(method="PUT", path=rf"/jobs/{job.id}$", cut_response=True)

    invocation = stage.invoke()

    assert job.status == "success"
    assert invocation.answer["status"] == "job_succeeded"


def test_a_slow_gitlab(stage: Stage) -> None:
    job = stage.add_job(LINES)
    stage.cloud.gitlab.faults.add(method="*", path=r"/api/v4/jobs", delay=4.0, times=3)

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded"
    assert_whole_trace(job)


def test_an_upload_that_is_cut_is_sent_again(stage: Stage) -> None:
    job = stage.add_job("head -c 3000000 /dev/urandom > file", artifacts={"paths": ["file"]})
    stage.cloud.gitlab.faults.add(
        method="POST", path=rf"/jobs/{job.id}/artifacts$", cut_after=100_000, times=1
    )

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    assert job.artifacts is not None


def test_gitlab_fails_for_good_in_the_middle_of_a_job(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=30, environment={"RUNLET_DEADLINE_MARGIN": "10"})
    job = stage.add_job("echo started", "sleep 3", LINES)
    for method, path in (("PATCH", rf"/jobs/{job.id}/trace$"), ("PUT", rf"/jobs/{job.id}$")):
        stage.cloud.gitlab.faults.add(method=method, path=path, status=500, times=None)

    invocation = stage.invoke()

    # The job's end could not be told to GitLab: that is an error, told before Lambda's own limit.
    assert invocation.function_error
    assert invocation.response["errorType"] == "Function.GitLabUnreachable"
    assert "500" in invocation.response["errorMessage"]
    assert str(job.id) in invocation.response["errorMessage"]
    assert invocation.duration_ms < 30_000
    stage.cloud.gitlab.faults.clear()
    _, following = stage.run("echo clean")
    assert following.environment_id == invocation.environment_id
