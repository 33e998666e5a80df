# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job, and what the invocation says of it."""

from __future__ import annotations

import json
import re

from e2e.stage import (
    MIB,
    Stage,
    StageMaker,
    output_of,
    peak_memory_of_bootstrap,
    wait_until,
)


def test_a_job_succeeds(stage: Stage) -> None:
    job = stage.commit(
        {"job": {"script": ["echo hello from $CI_JOB_NAME", "git --version", "cat README.txt"]}},
        files={"README.txt": "a file of the repository\n"},
    ).job("job")

    invocation = stage.invoke()

    assert job.status == "success", output_of(job)
    assert "hello from job\n" in output_of(job)
    assert "git version 2." in output_of(job)
    assert "a file of the repository\n" in output_of(job)
    assert not invocation.function_error
    result = invocation.response
    assert result["status"] == "job_succeeded"
    assert set(result) == {"status", "job"}
    assert result["job"]["id"] == job.id
    assert result["job"]["project_id"] == stage.project.id
    assert result["job"]["name"] == "job"
    assert result["job"]["state"] == "success"
    assert result["job"]["failure_reason"] is None
    assert result["job"]["exit_code"] == 0
    assert result["job"]["queued_ms"] >= 0
    assert result["job"]["duration_ms"] > 0
    assert set(result["job"]) == {
        "id", "project_id", "name", "state", "failure_reason", "exit_code", "queued_ms",
        "duration_ms",
    }  # fmt: skip


def test_a_failed_job_is_a_successful_invocation(stage: Stage) -> None:
    job, invocation = stage.run("echo before", "exit 3", "echo never")

    assert job.status == "failed"
    assert job.failure_reason == "script_failure"
    assert "before\n" in output_of(job) and "never" not in output_of(job)
    assert not invocation.function_error
    assert invocation.response["status"] == "job_failed"
    assert invocation.response["job"]["failure_reason"] == "script_failure"
    assert invocation.response["job"]["exit_code"] is None  # gitlab-runner 12.7 sends none


def test_no_job_waits(stage: Stage) -> None:
    invocation = stage.invoke()

    assert not invocation.function_error
    assert invocation.response == {"status": "no_job", "job": None}


def test_a_job_canceled_in_gitlab_ends_the_invocation(stage: Stage) -> None:
    job = stage.add_job("echo started", "sleep 300")
    invoking = stage.start()
    wait_until(lambda: b"started" in job.trace, 60, "the job's first line")

    job.cancel()
    invocation = invoking.result(limit=90)

    assert job.status == "canceled"
    assert invocation.response["status"] == "job_canceled"
    assert invocation.response["job"]["state"] == "canceled"
    assert not invocation.function_error


def test_artifacts_of_200_mb_pass_in_constant_memory(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=600, memory_size=2048, ephemeral_storage=2048)
    pipeline = stage.commit(
        {
            "build": {
                "stage": "build",
                "script": ["head -c 200000000 /dev/urandom > big.bin", "sha256sum big.bin > sum"],
                "artifacts": {"paths": ["big.bin", "sum"]},
            },
            "check": {
                "stage": "test",
                "script": ["sha256sum -c sum", "wc -c < big.bin"],
                "dependencies": ["build"],
            },
        },
        stages=["build", "test"],
    )

    first, second = stage.invoke(), stage.invoke()

    assert first.response["status"] == "job_succeeded", pipeline.job("build").trace.decode()
    assert second.response["status"] == "job_succeeded", pipeline.job("check").trace.decode()
    assert pipeline.status == "success"
    assert b"200000000" in pipeline.job("check").trace
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB


def test_a_trace_over_the_limit_is_cut_and_the_job_goes_on(stage: Stage) -> None:
    job, invocation = stage.run(
        "head -c 6000000 /dev/zero | tr '\\0' 'x' | fold -w 100", "echo the end"
    )

    assert invocation.response["status"] == "job_succeeded"
    assert b"exceeded limit of 4194304 bytes" in job.trace
    assert len(job.trace) < 4.5 * MIB
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB


def test_two_invocations_of_one_warm_environment(stage: Stage) -> None:
    _, first = stage.run("echo one > /tmp/left", "echo one > $HOME/left", "echo ok")
    second_job, second = stage.run('test "$(ls -A /tmp)" = runlet', "ls -A $HOME", "echo ok")

    assert first.environment_id == second.environment_id
    assert first.cold_start and not second.cold_start
    assert first.response["status"] == second.response["status"] == "job_succeeded"
    assert "left" not in output_of(second_job)


def test_the_token_may_stand_in_a_parameter(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.cloud.aws.client("ssm").put_parameter(
        Name=f"/{stage.tag}/token", Value=stage.runner.token, Type="SecureString"
    )
    stage.reconfigure(RUNLET_TOKEN_SECRET_ARN=None, RUNLET_TOKEN_PARAMETER=f"/{stage.tag}/token")

    job, invocation = stage.run("echo ok")

    assert invocation.response["status"] == "job_succeeded"
    assert job.status == "success"


def test_an_event_that_is_no_object_is_refused(stage: Stage) -> None:
    client = stage.cloud.aws.client("lambda")
    for event in (b"[]", b'"text"', b"3", b"null", b"true"):
        answer = client.invoke(FunctionName=stage.function, Payload=event)
        assert answer["FunctionError"]
        error = json.loads(answer["Payload"].read())
        assert error["errorType"] == "Function.EventInvalid"
        assert "object" in error["errorMessage"]

    for event in ({}, {"Records": []}, {"object_kind": "build", "nested": {"a": [1, None]}}):
        assert stage.invoke(event).response["status"] == "no_job"
    invocations = stage.cloud.functions.invocations(stage.function)
    assert len({one.environment_id for one in invocations}) == 1


def test_one_system_id_over_cold_starts(stage: Stage) -> None:
    first, _ = stage.run("echo one")
    stage.cloud.functions.drop_environments(stage.function)
    second, _ = stage.run("echo two")

    assert first.status == second.status == "success"
    (system_id,) = stage.runner.system_ids
    assert re.fullmatch(r"[sr]_[0-9a-zA-Z]{12}", system_id)


def test_a_private_host_name_is_resolved_by_extra_hosts(make_stage: StageMaker) -> None:
    stage = make_stage()
    port = stage.cloud.gitlab.port
    stage.reconfigure(
        CI_SERVER_URL=f"https://gitlab.runlet.test:{port}",
        RUNLET_EXTRA_HOSTS=json.dumps({"gitlab.runlet.test": ["127.0.0.1"]}),
    )

    job, invocation = stage.run(
        f"git ls-remote https://gitlab-ci-token:$CI_JOB_TOKEN@gitlab.runlet.test:{port}"
        "/$CI_PROJECT_PATH.git HEAD",
    )

    assert invocation.response["status"] == "job_succeeded", job.trace.decode()
