# SPDX-License-Identifier: Apache-2.0
"""Every setting with a bad value: an init error that names the variable, the flaw, the form."""

from __future__ import annotations

import pytest

from e2e.stage import Stage, StageMaker, output_of

BAD_VALUES = {
    "CI_SERVER_URL": ["", "gitlab.example.com", "ftp://gitlab.example.com", "https://user:pw@x",
                      "https://", "https://x:99999", "https://x/?a=b"],
    "CI_SERVER_TLS_CA_FILE": ["/nowhere.pem", "/var/task/bootstrap", "opt/certs/gitlab-ca.pem",
                              "/opt"],
    "RUNNER_NAME": ["two\nlines", "x" * 256],
    "RUNLET_TOKEN_SECRET_ARN": ["secret", "arn:aws:s3:::bucket", ""],
    "RUNLET_TOKEN_PARAMETER": ["with space", ""],
    "CI_SERVER_TOKEN": ["with space", ""],
    "RUNLET_WAIT_TIMEOUT": ["ten", "-1", "1.5", "99999999999999999999", "", " 5", "0x10"],
    "RUNLET_MAX_JOBS": ["0", "-1", "many", "1e3"],
    "RUNLET_DEADLINE_MARGIN": ["0", "x", "-3", "15s"],
    "RUNLET_MIN_JOB_TIME": ["-1", "soon"],
    "RUNLET_JOB_CREDENTIALS": ["all", "None"],
    "RUNLET_JOB_SESSION_IDENTITY": ["no", ""],
    "RUNLET_RUNNER_ARGS": [
        "--debug", "{}", "[1]", '["--url=http://x"]', '["-u", "http://x"]', '["--token", "t"]',
        '["-t=t"]', '["--executor", "docker"]', '["--builds-dir=/x"]', '["--cache-dir", "/x"]',
        '["--config", "/x"]', '["-c", "/x"]', '["--max-builds", "5"]', '["--shutdown-timeout=5"]',
        '["-url", "x"]', '["--max-builds=3"]', '["-token=x"]', '["-max-builds", "3"]',
    ],
    "RUNLET_EXTRA_HOSTS": [
        "x", "[]", '{"a": "b"}', '{"a": ["not an address"]}', '{"": ["127.0.0.1"]}', '{"a": []}',
    ],
    "RUNLET_FRESH_ENVIRONMENT": ["yes", "1", "TRUE"],
    "RUNLET_ACCOUNTS_PARAMETER": ["with space"],
    "RUNLET_PROVIDER_MIRROR": ["providers", "/tmp/x", "/mnt/../x", "s3://bucket", "s3://b/k", ""],
    "RUNLET_PROVIDER_MIRROR_SHA256": ["ab", "x" * 64, "ab" * 32],
    "AWS_LAMBDA_MAX_CONCURRENCY": ["4", "many"],
}  # fmt: skip
CASES = [(name, value) for name, values in BAD_VALUES.items() for value in values]


def init_error(stage: Stage) -> str:
    invocation = stage.invoke()
    assert invocation.function_error
    assert invocation.response["errorType"] == "Runtime.ConfigInvalid", invocation.response
    message = invocation.response["errorMessage"]
    assert [one["error"] for one in stage.log_entries if one["level"] == "ERROR"] == [message]
    return message


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{n}={v[:40]!a}" for n, v in CASES])
def test_a_bad_value_is_named(make_stage: StageMaker, name: str, value: str) -> None:
    environment: dict[str, str | None] = {name: value}
    if name in ("RUNLET_TOKEN_PARAMETER", "CI_SERVER_TOKEN"):
        environment["RUNLET_TOKEN_SECRET_ARN"] = None
    stage = make_stage(environment=environment, layers=[])

    message = init_error(stage)

    variable, _, form = message.partition("it must be ")
    assert variable.startswith(f"{name} ")  # the name, and what is wrong
    assert form
    assert "user:pw" not in message


def test_no_token_at_all(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_TOKEN_SECRET_ARN": None}, layers=[])

    message = init_error(stage)

    assert "RUNLET_TOKEN_SECRET_ARN" in message and "RUNLET_TOKEN_PARAMETER" in message


@pytest.mark.parametrize("arn", [None, "arn:aws:iam::123456789012:user/x", "role"])
def test_a_job_role_without_a_good_arn(make_stage: StageMaker, arn: str | None) -> None:
    stage = make_stage(
        environment={"RUNLET_JOB_CREDENTIALS": "role", "RUNLET_JOB_ROLE_ARN": arn},
        layers=[],
    )

    message = init_error(stage)

    assert message.startswith("RUNLET_JOB_ROLE_ARN ")
    assert "; it must be " in message


def test_another_handler_is_refused(make_stage: StageMaker) -> None:
    stage = make_stage(layers=[])
    stage.cloud.aws.client("lambda").update_function_configuration(
        FunctionName=stage.function, Handler="index.handler"
    )
    stage.cloud.functions.drop_environments(stage.function)

    message = init_error(stage)

    assert message.startswith("_HANDLER ") and "index.handler" in message
    assert "it must be run" in message


def test_two_places_for_the_token(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_TOKEN_PARAMETER": "/a/b"}, layers=[])

    message = init_error(stage)

    assert "RUNLET_TOKEN_SECRET_ARN" in message and "RUNLET_TOKEN_PARAMETER" in message


def test_a_secret_wins_over_a_plain_token(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"CI_SERVER_TOKEN": "glrt-not-this-one-000000"})

    _, invocation = stage.run("echo ok")

    assert invocation.answer["status"] == "job_succeeded"


def test_a_plain_token_for_local_use(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_TOKEN_SECRET_ARN": None})
    stage.reconfigure(CI_SERVER_TOKEN=stage.runner.token)

    job, invocation = stage.run("env | grep -c CI_SERVER_TOKEN= || true")

    assert invocation.answer["status"] == "job_succeeded"
    assert stage.runner.token not in job.trace.decode()


def test_arguments_for_the_runner(make_stage: StageMaker) -> None:
    stage = make_stage(
        environment={"RUNLET_RUNNER_ARGS": '["--pre-build-script=echo from the arguments"]'}
    )

    job, invocation = stage.run("echo ok")

    assert invocation.answer["status"] == "job_succeeded"
    assert "from the arguments\n" in output_of(job)
