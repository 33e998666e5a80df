# SPDX-License-Identifier: Apache-2.0
"""Attackers: jobs that say they are others, and get what their real identity may have."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from e2e.stage import Stage, StageMaker, output_of
from e2e.test_secrets import HUNT
from localcloud import LocalCloud
from localcloud.gitlab import Job, Pipeline

ALL_ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
RoleMaker = Callable[..., str]
# What the AWS SDKs do with these two variables. The job shows its session to the test, which then
# does with it whatever an attacker may.
ASK = (
    'busybox wget -qO- --header "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" '
    '"$AWS_CONTAINER_CREDENTIALS_FULL_URI"'
)


@pytest.fixture
def make_role(cloud: LocalCloud) -> RoleMaker:
    """Makes a role that this principal may assume with these tags, and returns its ARN."""

    def make(principal: str, may: dict[str, Any] | None = None, **tags: str) -> str:
        iam = cloud.aws.client("iam")
        name = f"role-{uuid.uuid4().hex[:10]}"
        conditions = {f"aws:PrincipalTag/runlet:{key}": value for key, value in tags.items()}
        trust: list[dict[str, Any]] = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": action,
                **({"Condition": {"StringEquals": conditions}} if conditions else {}),
            }
            for action in ALL_ACTIONS
        ]
        role = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        )
        if may:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="may",
                PolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **may}}
                ),
            )
        return str(role["Role"]["Arn"])

    return make


@pytest.fixture
def role_stage(cloud: LocalCloud, make_stage: StageMaker, make_role: RoleMaker) -> Stage:
    """A stage whose jobs get a job role that may assume any role."""
    job_role = make_role(cloud.execution_role(), may={"Action": "sts:*", "Resource": "*"})
    return make_stage(
        environment={"RUNLET_JOB_CREDENTIALS": "role", "RUNLET_JOB_ROLE_ARN": job_role},
    )


def job_role_of(stage: Stage) -> str:
    configuration = stage.cloud.aws.client("lambda").get_function_configuration(
        FunctionName=stage.function
    )
    return str(configuration["Environment"]["Variables"]["RUNLET_JOB_ROLE_ARN"])


def pipeline_file(stage: Stage, *script: str) -> dict[str, str]:
    job = {"tags": [stage.tag], "script": list(script)}
    return {".gitlab-ci.yml": json.dumps({"job": job})}


def run(stage: Stage, pipeline: Pipeline | None) -> Job:
    assert pipeline is not None
    invocation = stage.invoke()
    assert not invocation.function_error, invocation.response
    job = pipeline.job("job")
    assert job.finished
    return job


def session_of(stage: Stage, job: Job) -> Any:
    """STS with the session that the job showed."""
    assert job.status == "success", output_of(job)
    found = re.search(r"\{\"AccessKeyId.*\}", output_of(job))
    assert found, output_of(job)
    given = json.loads(found[0])
    return sts_with(stage, given["AccessKeyId"], given["SecretAccessKey"], given["Token"])


def sts_with(stage: Stage, key: str, secret: str, token: str) -> Any:
    return boto3.client(
        "sts",
        endpoint_url=stage.cloud.aws.endpoint_url,
        region_name=stage.cloud.aws.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def refused(sts: Any, role: str, **more: Any) -> bool:
    """Whether STS lets this session not into the role; any other trouble is an error."""
    try:
        sts.assume_role(RoleArn=role, RoleSessionName="attacker", **more)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "InvalidParameterValue"):
            return True
        raise
    return False


def tags_of_last(stage: Stage, role: str) -> dict[str, str]:
    return dict([one for one in stage.cloud.sts.sessions if one.role_arn == role][-1].tags)


def test_variables_change_nothing(role_stage: Stage, make_role: RoleMaker) -> None:
    stage, project = role_stage, role_stage.project
    protected = make_role(job_role_of(stage), protected="true", project_path=project.path)
    victims = make_role(job_role_of(stage), project_path="group/victim")
    own = make_role(job_role_of(stage), protected="false", project_path=project.path)
    project.commit(pipeline_file(stage, ASK), ref="feature", message="[skip ci]")

    job = run(
        stage,
        project.create_pipeline(
            "feature",
            {
                "CI_COMMIT_REF_PROTECTED": "true",
                "CI_PROJECT_PATH": "group/victim",
                "CI_PROJECT_ID": "1",
                "CI_COMMIT_REF_NAME": "main",
                # gitlab-runner clones by that path: there it would end, without a right to it.
                "GIT_STRATEGY": "none",
            },
        ),
    )

    sts = session_of(stage, job)
    assert refused(sts, protected)
    assert refused(sts, victims)
    assert not refused(sts, own)
    tags = tags_of_last(stage, job_role_of(stage))
    assert tags["runlet:protected"] == "false"
    assert tags["runlet:ref"] == "feature"
    assert tags["runlet:project_path"] == project.path
    assert tags["runlet:project_id"] == str(project.id)


def test_a_forks_branch_called_main_is_not_main(role_stage: Stage, make_role: RoleMaker) -> None:
    stage, project = role_stage, role_stage.project
    target = make_role(job_role_of(stage), ref="main", protected="true")
    own = run(stage, project.commit(pipeline_file(stage, ASK)))
    assert not refused(session_of(stage, own), target)

    job = run(stage, project.create_pipeline("main", source="merge_request_event"))

    assert refused(session_of(stage, job), target)
    tags = tags_of_last(stage, job_role_of(stage))
    assert (tags["runlet:ref"], tags["runlet:protected"]) == ("main", "false")


@pytest.mark.parametrize("ref", ["release!1", f"{'release/' * 8}{'a' * 200}/{'b' * 90}"])
def test_a_ref_that_no_tag_can_hold(role_stage: Stage, make_role: RoleMaker, ref: str) -> None:
    stage = role_stage
    kept = ref.partition("!")[0][:32]
    mapped = f"{kept}:sha256:{hashlib.sha256(ref.encode()).hexdigest()}"
    own = make_role(job_role_of(stage), ref=mapped)
    other = make_role(job_role_of(stage), ref=kept)

    job = run(stage, stage.project.commit(pipeline_file(stage, ASK), ref=ref))

    sts = session_of(stage, job)
    assert not refused(sts, own)
    assert refused(sts, other)


def test_a_job_cannot_tag_itself(role_stage: Stage, make_role: RoleMaker) -> None:
    stage, project = role_stage, role_stage.project
    middle = make_role(job_role_of(stage), may={"Action": "sts:*", "Resource": "*"})
    target = make_role(middle, protected="true")

    job = run(stage, project.commit(pipeline_file(stage, ASK), ref="feature"))

    sts = session_of(stage, job)
    for key in ("runlet:protected", "Runlet:Protected"):
        assert refused(sts, middle, Tags=[{"Key": key, "Value": "true"}])
    assert refused(sts, middle, SourceIdentity="project=1,job=1")
    keys = sts.assume_role(RoleArn=middle, RoleSessionName="attacker")["Credentials"]
    assert tags_of_last(stage, middle)["runlet:protected"] == "false"
    chained = sts_with(stage, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert refused(chained, target)
    assert refused(chained, target, Tags=[{"Key": "runlet:protected", "Value": "true"}])


def test_a_job_finds_neither_the_functions_keys_nor_the_token(role_stage: Stage) -> None:
    stage = role_stage
    script = (
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' || true",
        "find /tmp /var/task -type f -size -64k -exec cat {} + 2>/dev/null || true",
        "env",
        'busybox wget -qO- "$AWS_CONTAINER_CREDENTIALS_FULL_URI" || echo refused-nobody',
        ASK,
    )

    job = run(stage, stage.project.commit(pipeline_file(stage, *script)))

    said = output_of(job)
    assert job.status == "success", said
    assert "\nrefused-nobody" in said
    session_of(stage, job).get_caller_identity()
    assert stage.runner.token not in said
    functions = [
        one for one in stage.cloud.sts.sessions if one.role_arn == stage.cloud.execution_role()
    ]
    assert functions
    for session in functions:
        assert session.access_key not in said
        assert session.secret not in said
        assert session.token not in said


def test_the_hunt_finds_nothing_beside_the_session(role_stage: Stage) -> None:
    stage = role_stage

    job = run(stage, stage.project.commit(pipeline_file(stage, f"{ASK} > /dev/null", HUNT)))

    said = output_of(job)
    assert re.search(r"^hunt over [1-9]\d* pieces of memory$", said, re.M), said
    assert re.findall(r"^HIT .*", said, re.M) == []
    assert re.search(r"^PREY .*/cmdline$", said, re.M), said
    assert tags_of_last(stage, job_role_of(stage))["runlet:job_id"] == str(job.id)


def test_what_a_job_was_given_is_of_no_use_to_the_next(role_stage: Stage) -> None:
    stage, project = role_stage, role_stage.project
    first = run(
        stage,
        project.commit(
            pipeline_file(
                stage,
                "echo given $AWS_CONTAINER_AUTHORIZATION_TOKEN $AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "touch /tmp/left $HOME/left",
                "setsid sleep 1000 > /dev/null 2>&1 &",
            )
        ),
    )
    given = re.search(r"^given ([0-9a-f]+) (http://127\.0\.0\.1:\d+/credentials)$",
                      output_of(first), re.M)  # fmt: skip
    assert given, output_of(first)
    old = f'busybox wget -qO- --header "Authorization: {given[1]}"'

    job = run(
        stage,
        project.commit(
            pipeline_file(
                stage,
                f'{old} "$AWS_CONTAINER_CREDENTIALS_FULL_URI" || echo refused',
                f"{old} {given[2]} || echo gone",
                "find /tmp -name left",
                "pidof sleep || echo alone",
                ASK,
            )
        ),
    )

    (_,) = stage.environments
    said = output_of(job)
    assert {"refused", "gone", "alone"} <= set(said.splitlines()), said
    assert "/left" not in said
    assert len(re.findall("AccessKeyId", said)) == 1
    session_of(stage, job).get_caller_identity()


def test_names_that_take_too_much_room_are_said_and_can_be_left_out(
    role_stage: Stage, cloud: LocalCloud
) -> None:
    stage = role_stage
    path = f"some-company/{'a-department-with-a-long-name/' * 4}{stage.tag}"
    project = cloud.gitlab.create_project(path)
    ref = f"feature/{'a-branch-of-a-thing-that-updates-another/' * 4}last"
    file = pipeline_file(stage, f"{ASK} || echo no-session")

    job = run(stage, project.commit(file, ref=ref))
    assert "no-session" in output_of(job)
    (told,) = [one for one in stage.log_entries if one.get("errorType") == "PackedPolicyTooLarge"]
    assert re.search(r"session tags consumes 1\d\d% of allotted space", told["error"])
    assert "RUNLET_JOB_SESSION_IDENTITY" in told["error"]

    stage.reconfigure(RUNLET_JOB_SESSION_IDENTITY="false")
    job = run(stage, project.commit(file, ref=ref))
    assert session_of(stage, job).get_caller_identity()
    assert tags_of_last(stage, job_role_of(stage)) == {}
