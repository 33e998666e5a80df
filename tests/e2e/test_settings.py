# SPDX-License-Identifier: Apache-2.0
"""Every setting with a bad value: an init error that names the variable, the flaw, the form."""

from __future__ import annotations

import pytest

from e2e.conftest import Stage, StageMaker

BAD_VALUES = {
    "CI_SERVER_URL": ["", "gitlab.example.com", "ftp://gitlab.example.com", "https://user:pw@x"],
    "CI_SERVER_TLS_CA_FILE": ["/nowhere.pem", "/var/task/bootstrap"],
    "RUNLET_TOKEN_SECRET_ARN": ["secret", "arn:aws:s3:::bucket"],
    "RUNLET_TOKEN_PARAMETER": ["with space", ""],
    "RUNLET_WAIT_TIMEOUT": ["ten", "-1", "1.5", "99999999999999999999"],
    "RUNLET_MAX_JOBS": ["0", "-1", "many"],
    "RUNLET_DEADLINE_MARGIN": ["0", "x", "-3"],
    "RUNLET_MIN_JOB_TIME": ["-1", "soon"],
    "RUNLET_JOB_CREDENTIALS": ["all", "None"],
    "RUNLET_RUNNER_ARGS": [
        "--debug", "{}", "[1]", '["--url=http://x"]', '["-u", "http://x"]', '["--token", "t"]',
        '["-t=t"]', '["--executor", "docker"]', '["--builds-dir=/x"]', '["--cache-dir", "/x"]',
        '["--config", "/x"]', '["-c", "/x"]', '["--max-builds", "5"]', '["--shutdown-timeout=5"]',
        '["-url", "x"]', '["--max-builds=3"]',
    ],
    "RUNLET_EXTRA_HOSTS": ["x", "[]", '{"a": "b"}', '{"a": ["not an address"]}', '{"": ["127.0.0.1"]}'],
    "RUNLET_FRESH_ENVIRONMENT": ["yes", "1", "TRUE"],
    "RUNLET_ACCOUNTS_PARAMETER": ["with space"],
    "AWS_LAMBDA_MAX_CONCURRENCY": ["4"],
}  # fmt: skip
CASES = [(name, value) for name, values in BAD_VALUES.items() for value in values]


def init_error(stage: Stage) -> str:
    invocation = stage.invoke()
    assert invocation.function_error
    assert invocation.response["errorType"] == "Runtime.ConfigInvalid", invocation.response
    return invocation.response["errorMessage"]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{n}={v}" for n, v in CASES])
def test_a_bad_value_is_named(make_stage: StageMaker, name: str, value: str) -> None:
    environment: dict[str, str | None] = {name: value}
    if name == "RUNLET_TOKEN_PARAMETER":
        environment["RUNLET_TOKEN_SECRET_ARN"] = None
    stage = make_stage(environment=environment, with_git=False)

    message = init_error(stage)

    assert name in message
    assert len(message) > len(name) + 15  # says more than the name


def test_no_token_at_all(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_TOKEN_SECRET_ARN": None}, with_git=False)

    message = init_error(stage)

    assert "RUNLET_TOKEN_SECRET_ARN" in message and "RUNLET_TOKEN_PARAMETER" in message


@pytest.mark.parametrize("arn", [None, "arn:aws:iam::123456789012:user/x", "role"])
def test_a_job_role_without_a_good_arn(make_stage: StageMaker, arn: str | None) -> None:
    stage = make_stage(
        environment={"RUNLET_JOB_CREDENTIALS": "role", "RUNLET_JOB_ROLE_ARN": arn}, with_git=False
    )

    assert "RUNLET_JOB_ROLE_ARN" in init_error(stage)


def test_the_role_is_not_there_yet(make_stage: StageMaker) -> None:
    stage = make_stage(
        environment={
            "RUNLET_JOB_CREDENTIALS": "role",
            "RUNLET_JOB_ROLE_ARN": "arn:aws:iam::123456789012:role/job",
        },
        with_git=False,
    )

    message = init_error(stage)

    assert "RUNLET_JOB_CREDENTIALS" in message and "not" in message


def test_another_handler_is_refused(make_stage: StageMaker) -> None:
    stage = make_stage(with_git=False)
    stage.cloud.aws.client("lambda").update_function_configuration(
        FunctionName=stage.function, Handler="index.handler"
    )
    stage.cloud.functions.drop_environments(stage.function)

    assert "_HANDLER" in init_error(stage)
