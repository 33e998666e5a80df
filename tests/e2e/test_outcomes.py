# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job, and what the invocation says of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e.conftest import ARCH_DIST
from e2e.stage import (
    MIB,
    Stage,
    StageMaker,
    output_of,
    peak_memory_of_bootstrap,
)
from localcloud import LocalCloud
from localcloud.gitlab import ProjectVariable
from localcloud.waiting import wait_until, within


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
    assert invocation.answer["status"] == "job_failed"
    assert invocation.answer["job"]["failure_reason"] == "script_failure"
    assert invocation.answer["job"]["exit_code"] is None  # gitlab-runner 12.7 sends none


def test_no_job_waits(stage: Stage) -> None:
    invocation = stage.invoke()

    assert not invocation.function_error
    assert invocation.response == {"status": "no_job", "job": None}


@pytest.mark.parametrize("script", ["sleep 300", "trap '' TERM INT; sleep 300 & wait; sleep 300"])
def test_a_job_canceled_in_gitlab_ends_the_invocation(stage: Stage, script: str) -> None:
    job = stage.add_job("echo started", script)
    invoking = stage.start()
    wait_until(lambda: b"started" in job.trace, "the job's first line")

    with within(45, "the invocation's end"):
        job.cancel()
        invocation = invoking.result()

    assert job.status == "canceled"
    assert invocation.answer["status"] == "job_canceled"
    assert invocation.answer["job"]["state"] == "canceled"
    assert not invocation.function_error


def test_a_job_over_its_own_timeout_fails(stage: Stage) -> None:
    job, invocation = stage.run("echo started", "sleep 300", timeout="6 seconds")

    assert job.status == "failed"
    assert invocation.answer["status"] == "job_failed"
    assert invocation.duration_ms < 60_000


def test_two_invocations_at_a_time_run_in_two_environments(stage: Stage) -> None:
    meet = "echo started; for i in $(seq 300); do test -e /tmp/go && break; sleep 0.1; done"
    pipeline = stage.commit({name: {"script": [meet, "ls -A /tmp"]} for name in ("one", "two")})
    invoking = [stage.start(), stage.start()]
    wait_until(lambda: all(b"started" in job.trace for job in pipeline.jobs), "both jobs")

    for environment in stage.environments:
        (environment.tmp / "go").touch()
    first, second = [one.result() for one in invoking]

    assert pipeline.status == "success"
    assert first.environment_id != second.environment_id
    assert {one.answer["job"]["name"] for one in (first, second)} == {"one", "two"}


def test_an_asynchronous_invocation_runs_the_job_once(stage: Stage) -> None:
    job = stage.add_job("exit 1")

    stage.invoke(asynchronous=True)

    wait_until(lambda: stage.cloud.queue.pending == 0, "the end of all retries")
    (invocation,) = stage.cloud.functions.invocations(stage.function)
    assert invocation.answer["status"] == "job_failed"  # a success for Lambda: no second deploy
    assert job.status == "failed"


def test_git_and_others_trust_a_private_ca(stage: Stage) -> None:
    job, invocation = stage.run(
        "cd $TMPDIR",
        "git clone -q $CI_REPOSITORY_URL copy && git -C copy log --oneline | wc -l",
        'test "$(git rev-parse --is-inside-work-tree 2>&1)" != true',
        'cmp "$CI_SERVER_TLS_CA_FILE" /opt/certs/gitlab-ca.pem',
        'test "$GIT_SSL_CAINFO" -ef "$SSL_CERT_FILE"',
        'test $(grep -c BEGIN "$SSL_CERT_FILE") -gt $(grep -c BEGIN "$CI_SERVER_TLS_CA_FILE")',
        "env | grep -c '^CI_PROJECT_'",
    )

    assert invocation.answer["status"] == "job_succeeded", output_of(job)


def test_before_and_after_script_variables_and_stages(stage: Stage) -> None:
    pipeline = stage.commit(
        {
            "one": {"stage": "build", "script": ["echo $GREETING | tee said"],
                    "artifacts": {"paths": ["said"]}},
            "two": {"stage": "test", "script": ["cat said", "exit 1"], "allow_failure": True,
                    "after_script": ["echo after"]},
            "three": {"stage": "deploy", "script": ["cat said"], "needs": ["one"]},
        },
        stages=["build", "test", "deploy"],
        variables={"GREETING": "good morning"},
        before_script=["echo before"],
    )  # fmt: skip

    results = [stage.invoke().response for _ in range(3)]

    assert sorted(one["status"] for one in results) == [
        "job_failed", "job_succeeded", "job_succeeded",
    ]  # fmt: skip
    assert pipeline.status == "success"
    for job in pipeline.jobs:
        assert "before\n" in output_of(job) and "good morning\n" in output_of(job)
    assert "after\n" in output_of(pipeline.job("two"))


def test_the_layers_programs_are_found_where_a_profile_replaces_path(
    tmp_path: Path, ca_layer: Path
) -> None:
    with LocalCloud(folder=tmp_path / "cloud", replacing_profile=True, tls=False) as cloud:
        runner = cloud.gitlab.create_runner(run_untagged=True)
        cloud.deploy_function(
            "replaced",
            zip=ARCH_DIST / "bootstrap.zip",
            layers=[ARCH_DIST / f"{layer}-layer.zip" for layer in ("git", "gitlab-runner")],
            environment={"CI_SERVER_URL": cloud.gitlab.url, "CI_SERVER_TOKEN": runner.token},
        )
        project = cloud.gitlab.create_project("some/project")
        pipeline = project.commit({".gitlab-ci.yml": "job: {script: [git --version]}"})

        invocation = cloud.invoke("replaced")

        job = pipeline.job("job")
        assert invocation.answer["status"] == "job_succeeded", output_of(job)
        assert "git version" in output_of(job)
        assert runner.token not in "".join(cloud.functions.logs("replaced"))


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

    assert first.answer["status"] == "job_succeeded", pipeline.job("build").trace.decode()
    assert second.answer["status"] == "job_succeeded", pipeline.job("check").trace.decode()
    assert pipeline.status == "success"
    assert b"200000000" in pipeline.job("check").trace
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB


def test_a_job_of_very_many_variables_runs(stage: Stage) -> None:
    """8,000 is what GitLab allows a project; one of the kind file may be large."""
    variables = stage.project.variables
    for number in range(8000):
        variables[f"V{number}"] = ProjectVariable("x" * 10)
    variables["LARGE"] = ProjectVariable("y" * 300_000, file=True)

    job, invocation = stage.run("env | grep -c '^V[0-9]*=x*$'", "wc -c < $LARGE")

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    assert "8000\n" in output_of(job) and "300000\n" in output_of(job)
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB


def test_a_trace_over_the_limit_is_cut_and_the_job_goes_on(stage: Stage) -> None:
    job, invocation = stage.run(
        "head -c 6000000 /dev/zero | tr '\\0' 'x' | fold -w 100", "echo the end"
    )

    assert invocation.answer["status"] == "job_succeeded"
    assert b"exceeded limit of 4194304 bytes" in job.trace
    assert len(job.trace) < 4.5 * MIB
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB


def test_two_invocations_of_one_warm_environment(stage: Stage) -> None:
    _, first = stage.run("echo one > /tmp/left", "echo one > $HOME/left", "echo ok")
    second_job, second = stage.run('test "$(ls -A /tmp)" = runlet', "ls -A $HOME", "echo ok")

    assert first.environment_id == second.environment_id
    assert first.cold_start and not second.cold_start
    assert first.answer["status"] == second.answer["status"] == "job_succeeded"
    assert "left" not in output_of(second_job)


def test_the_token_may_stand_in_a_parameter(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.cloud.aws.client("ssm").put_parameter(
        Name=f"/{stage.tag}/token", Value=stage.runner.token, Type="SecureString"
    )
    stage.reconfigure(RUNLET_TOKEN_SECRET_ARN=None, RUNLET_TOKEN_PARAMETER=f"/{stage.tag}/token")

    job, invocation = stage.run("echo ok")

    assert invocation.answer["status"] == "job_succeeded"
    assert job.status == "success"


OBJECTS = [
    b" {}\n",
    b'{"Records": []}',
    b'{"object_kind": "build", "nested": {"a": [1, null, 1e999]}}',
    b'{"a": "\\u0000 \\ud800", "": "", "a": 2}',
    b'{"a":' * 400 + b"1" + b"}" * 400,
    b'{"large": [' + b"1," * 2_500_000 + b"1]}",
]


def test_an_event_that_is_no_object_is_refused(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_WAIT_TIMEOUT": "1"})
    client = stage.cloud.aws.client("lambda")
    for event in (b"[]", b'"text"', b"3", b"null", b"true", b"[{}]"):
        answer = client.invoke(FunctionName=stage.function, Payload=event)
        assert answer["FunctionError"]
        error = json.loads(answer["Payload"].read())
        assert error["errorType"] == "Function.EventInvalid"
        assert "object" in error["errorMessage"]

    for event in OBJECTS:
        answer = client.invoke(FunctionName=stage.function, Payload=event)
        assert json.loads(answer["Payload"].read()) == {"status": "no_job", "job": None}
    invocations = stage.cloud.functions.invocations(stage.function)
    assert len({one.environment_id for one in invocations}) == 1
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB


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

    assert invocation.answer["status"] == "job_succeeded", job.trace.decode()
