# SPDX-License-Identifier: Apache-2.0
"""AWS credentials of a job: a session of the job role, and no key in its environment."""

from __future__ import annotations

import json
import re
import socket

import boto3
import pytest

from e2e.stage import MIB, Stage, StageMaker, output_of, peak_memory_of_bootstrap
from localcloud.waiting import load_per_core

JOB_ROLE = "runlet-job"
# What the AWS SDKs do with these two variables.
ASK = (
    'busybox wget -qO- --header "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" '
    '"$AWS_CONTAINER_CREDENTIALS_FULL_URI"'
)


@pytest.fixture
def job_role(make_stage: StageMaker) -> str:
    """The ARN of a role that trusts the functions' execution role."""
    cloud = make_stage(layers=[]).cloud
    iam = cloud.aws.client("iam")
    execution_role = cloud.execution_role()
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": execution_role},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    try:
        role = iam.create_role(
            RoleName=JOB_ROLE,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName=JOB_ROLE)
    return str(role["Role"]["Arn"])


def role_stage(make_stage: StageMaker, job_role: str) -> Stage:
    return make_stage(
        environment={"RUNLET_JOB_CREDENTIALS": "role", "RUNLET_JOB_ROLE_ARN": job_role}
    )


def test_a_job_gets_a_session_of_its_role(make_stage: StageMaker, job_role: str) -> None:
    stage = role_stage(make_stage, job_role)

    job, invocation = stage.run(ASK, "echo", "env | sort", timeout="5 minutes")

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    given = json.loads(re.search(r"\{\"AccessKeyId.*\}", output_of(job))[0])  # type: ignore[index]
    caller = boto3.client(
        "sts",
        endpoint_url=stage.cloud.aws.endpoint_url,
        region_name=stage.cloud.aws.region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["Token"],
    ).get_caller_identity()
    name = f"runlet-{stage.project.id}-{job.id}"
    assert (
        caller["Arn"]
        == f"{job_role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{name}"
    )
    variables = set(re.findall(r"^([A-Z_]+)=", output_of(job), re.M))
    assert not variables & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert given["SecretAccessKey"] not in stage.logs
    # For no longer than STS allows at least, and with all that GitLab says of the job.
    (asked,) = [one for one in stage.cloud.sts.calls if one.fields.get("RoleSessionName") == name]
    assert asked.fields["DurationSeconds"] == "900"
    (session,) = [one for one in stage.cloud.sts.sessions if one.session_name == name]
    assert session.tags == {
        "runlet:project_id": str(stage.project.id),
        "runlet:project_path": stage.project.path,
        "runlet:ref": "main",
        "runlet:ref_type": "branch",
        "runlet:protected": "true",
        "runlet:job_id": str(job.id),
        "runlet:pipeline_id": str(job.pipeline.id),
        "runlet:user_id": "1",
    }
    assert set(session.transitive) == set(session.tags)
    assert session.source_identity == f"project={stage.project.id},job={job.id},user=1"


def test_nobody_gets_it_without_the_token(make_stage: StageMaker, job_role: str) -> None:
    stage = role_stage(make_stage, job_role)

    job, _ = stage.run(
        'busybox wget -qO- "$AWS_CONTAINER_CREDENTIALS_FULL_URI" || echo refused',
        'busybox wget -qO- --header "Authorization: x" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"'
        " || echo again",
    )

    said = output_of(job)
    assert "\nrefused" in said
    assert "\nagain" in said
    assert "AccessKeyId" not in said


def test_many_programs_get_it_at_once(make_stage: StageMaker, job_role: str) -> None:
    """As a configuration with a provider for each of many accounts asks for it."""
    stage = role_stage(make_stage, job_role)

    job, _ = stage.run(
        f"for i in $(seq 24); do ({ASK}) > $HOME/answer-$i & done; wait",
        "echo $(cat $HOME/answer-* | grep -o AccessKeyId | wc -l) answers",
    )

    assert "\n24 answers\n" in output_of(job)
    assert peak_memory_of_bootstrap(stage.environment) < 32 * MIB
    assert len([one for one in stage.cloud.sts.sessions if one.role_arn == job_role and
                one.tags["runlet:job_id"] == str(job.id)]) == 1  # fmt: skip


def test_an_sts_that_does_not_answer_holds_nobody_up(make_stage: StageMaker, job_role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        stage = make_stage(
            environment={
                "RUNLET_JOB_CREDENTIALS": "role",
                "RUNLET_JOB_ROLE_ARN": job_role,
                "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}",
            }
        )
        asked = f"grep -q '0100007F:{port:04X} 01' /proc/net/tcp"

        job, invocation = stage.run(
            f"({ASK}) > /dev/null 2>&1 &", f"until {asked}; do sleep 0.1; done"
        )

    assert invocation.answer["status"] == "job_succeeded", output_of(job)
    without_job = invocation.duration_ms - invocation.answer["job"]["duration_ms"]
    assert without_job < 5000 * load_per_core()


def test_a_job_without_credentials_has_no_endpoint(stage: Stage) -> None:
    job, _ = stage.run("env | sort")

    assert "AWS_CONTAINER" not in output_of(job)
    assert "AWS_ACCESS_KEY_ID" not in output_of(job)
