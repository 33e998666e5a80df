# SPDX-License-Identifier: Apache-2.0
"""The local cloud's Lambda API: Invoke in all its ways, and what moto drops."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from integration.tiny_runtime import function_zip
from localcloud import LocalCloud
from localcloud.waiting import wait_until

Deploy = Callable[..., str]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(folder=tmp_path_factory.mktemp("cloud")) as running:
        running.queue.retry_delays = (0.1, 0.1)
        running.queue.throttle_delay = 0.1
        yield running


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return function_zip(tmp_path_factory.mktemp("zip"))


@pytest.fixture
def deploy(cloud: LocalCloud, zip_file: Path) -> Iterator[Deploy]:
    made: list[str] = []

    def make(**settings: Any) -> str:
        name = f"f-{uuid.uuid4().hex[:8]}"
        cloud.deploy_function(name, zip=zip_file, **{"timeout": 20, **settings})
        made.append(name)
        return name

    yield make
    for name in made:
        cloud.functions.drop_environments(name)


@pytest.fixture
def queue_arn(cloud: LocalCloud) -> Callable[[], str]:
    def make() -> str:
        client = cloud.aws.client("sqs")
        url = client.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        return client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]

    return make


def receive(cloud: LocalCloud, arn: str) -> dict[str, Any]:
    """Waits for the one message of a queue."""
    client = cloud.aws.client("sqs")
    url = client.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    messages = wait_until(
        lambda: client.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages"),
        f"a message in {arn}",
    )
    return messages[0]


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    return caught.value.response


# Synchronous


def test_the_answer_of_invoke(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    client = cloud.aws.client("lambda")

    answer = client.invoke(FunctionName=name, LogType="Tail", Payload='"echo said; echo log >&2"')

    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert answer["Payload"].read() == b"said\nlog\n"
    request_id = answer["ResponseMetadata"]["RequestId"]
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert tail.startswith(f"START RequestId: {request_id} Version: $LATEST\n")
    assert f"\nREPORT RequestId: {request_id}\t" in tail
    assert "init of run" in cloud.functions.logs(name)

    failed = client.invoke(FunctionName=name, Payload='"fail Function.Bad reason"')
    assert failed["StatusCode"] == 200
    assert failed["FunctionError"] == "Unhandled"


def test_names_arns_versions_and_aliases(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    client = cloud.aws.client("lambda")
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    arn = f"arn:aws:lambda:{cloud.aws.region}:{cloud.aws.account_id}:function:{name}"

    def version(**arguments: str) -> tuple[str, str]:
        answer = client.invoke(**arguments, Payload='"echo $AWS_LAMBDA_FUNCTION_VERSION"')
        return answer["ExecutedVersion"], answer["Payload"].read().decode().strip()

    assert version(FunctionName=name) == ("$LATEST", "$LATEST")
    assert version(FunctionName=arn) == ("$LATEST", "$LATEST")
    assert version(FunctionName=name, Qualifier="1") == ("1", "1")
    assert version(FunctionName=f"{name}:live") == ("1", "1")
    assert version(FunctionName=f"{arn}:live") == ("1", "1")
    assert version(FunctionName=name, Qualifier="live") == ("1", "1")
    header = client.invoke(FunctionName=name, Qualifier="live", Payload='"cat /tmp/head"')
    assert f"{arn}:live" in header["Payload"].read().decode()


def test_what_is_refused(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    client = cloud.aws.client("lambda")

    unknown = refusal(lambda: client.invoke(FunctionName="nobody"))
    assert unknown["Error"]["Code"] == "ResourceNotFoundException"
    alias = refusal(lambda: client.invoke(FunctionName=name, Qualifier="nothing"))
    assert alias["Error"]["Code"] == "ResourceNotFoundException"
    no_json = refusal(lambda: client.invoke(FunctionName=name, Payload="{no json"))
    assert no_json["Error"]["Code"] == "InvalidRequestContentException"
    large = json.dumps("x" * (6 << 20))
    too_large = refusal(lambda: client.invoke(FunctionName=name, Payload=large))
    assert too_large["Error"]["Code"] == "RequestTooLargeException"
    assert too_large["ResponseMetadata"]["HTTPStatusCode"] == 413
    event = json.dumps("x" * (1 << 20))
    too_large = refusal(
        lambda: client.invoke(FunctionName=name, InvocationType="Event", Payload=event)
    )
    assert too_large["Error"]["Code"] == "RequestTooLargeException"
    assert client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert cloud.functions.environments(name) == []


def test_large_payloads_within_the_limits(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy(timeout=60)
    client = cloud.aws.client("lambda")
    event = json.dumps("wc -c <<END\n" + "x" * 5_000_000 + "\nEND")

    answer = client.invoke(FunctionName=name, Payload=event)
    assert int(answer["Payload"].read()) == 5_000_001

    answer = client.invoke(
        FunctionName=name, Payload='"head -c 6000000 /dev/zero | tr \\"\\\\0\\" x"'
    )
    assert len(answer["Payload"].read()) == 6_000_000

    answer = client.invoke(
        FunctionName=name, Payload='"head -c 7000000 /dev/zero | tr \\"\\\\0\\" x"'
    )
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


def test_reserved_concurrency(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    client = cloud.aws.client("lambda")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    script = "until [ -e /tmp/go ]; do sleep 0.1; done"
    first = threading.Thread(target=lambda: cloud.invoke(name, script))
    first.start()
    (environment,) = wait_until(lambda: cloud.functions.environments(name), "an environment")
    wait_until(lambda: environment.pid, "the first invocation")

    throttled = refusal(lambda: client.invoke(FunctionName=name, Payload='"echo"'))
    threading.Timer(3, (environment.tmp / "go").touch).start()
    later = cloud.invoke(name, "echo later", asynchronous=True)
    first.join()

    assert throttled["Error"]["Code"] == "TooManyRequestsException"
    assert throttled["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert later.response == "later\n"
    assert len(cloud.functions.environments(name)) == 1


# Asynchronous


def test_a_failed_event_is_tried_three_times(
    cloud: LocalCloud, deploy: Deploy, queue_arn: Callable[[], str]
) -> None:
    dead_letters, failures = queue_arn(), queue_arn()
    name = deploy(DeadLetterConfig={"TargetArn": dead_letters})
    cloud.aws.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": failures}}
    )

    first = cloud.invoke(name, "fail Function.Bad reason", asynchronous=True)

    letter, record = receive(cloud, dead_letters), receive(cloud, failures)
    tries = cloud.functions.invocations(name)
    assert [one.attempt for one in tries] == [1, 2, 3]
    assert {one.request_id for one in tries} == {first.request_id}
    assert json.loads(letter["Body"]) == "fail Function.Bad reason"
    attributes = letter["MessageAttributes"]
    assert attributes["RequestID"]["StringValue"] == first.request_id
    assert attributes["ErrorMessage"]["StringValue"] == "reason"
    told = json.loads(record["Body"])
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["requestPayload"] == "fail Function.Bad reason"
    assert told["responsePayload"]["errorType"] == "Function.Bad"


def test_no_retries_where_none_are_wanted(cloud: LocalCloud, deploy: Deploy) -> None:
    name = deploy()
    client = cloud.aws.client("lambda")
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.put_function_event_invoke_config(
        FunctionName=name, Qualifier="live", MaximumRetryAttempts=0
    )

    client.invoke(
        FunctionName=name, Qualifier="live", InvocationType="Event", Payload='"kill -9 $$"'
    )
    wait_until(lambda: cloud.queue.pending == 0, "the end of the event")
    assert len(cloud.functions.invocations(name)) == 1

    # What holds for the alias does not hold for $LATEST.
    client.invoke(FunctionName=name, InvocationType="Event", Payload='"kill -9 $$"')
    wait_until(lambda: cloud.queue.pending == 0, "the end of the event")
    assert len(cloud.functions.invocations(name)) == 1 + 3


def test_success_goes_to_its_destination(
    cloud: LocalCloud, deploy: Deploy, queue_arn: Callable[[], str]
) -> None:
    successes = queue_arn()
    name = deploy()
    cloud.aws.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": successes}}
    )

    cloud.invoke(name, "echo '{}'", asynchronous=True)

    told = json.loads(receive(cloud, successes)["Body"])
    assert told["requestContext"]["condition"] == "Success"
    assert told["responsePayload"] == {}


def test_an_event_may_grow_too_old(
    cloud: LocalCloud, deploy: Deploy, queue_arn: Callable[[], str]
) -> None:
    failures = queue_arn()
    name = deploy()
    client = cloud.aws.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": failures}},
    )
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    client.invoke(FunctionName=name, InvocationType="Event", Payload='"echo"')

    cloud.queue.advance(61)

    told = json.loads(receive(cloud, failures)["Body"])
    assert told["requestContext"]["condition"] == "EventAgeExceeded"
    assert "responsePayload" not in told
    assert cloud.functions.invocations(name) == []


# What moto drops


def test_settings_of_a_function_are_kept(
    cloud: LocalCloud, deploy: Deploy, queue_arn: Callable[[], str], tmp_path: Path
) -> None:
    target = queue_arn()
    access_point = (
        f"arn:aws:elasticfilesystem:{cloud.aws.region}:{cloud.aws.account_id}"
        ":access-point/fsap-0123456789abcdef0"
    )
    cloud.file_systems[access_point] = tmp_path
    name = deploy(
        DeadLetterConfig={"TargetArn": target},
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"},
        FileSystemConfigs=[{"Arn": access_point, "LocalMountPath": "/mnt/efs"}],
    )
    client = cloud.aws.client("lambda")

    found = client.get_function_configuration(FunctionName=name)
    assert found["DeadLetterConfig"] == {"TargetArn": target}
    assert found["FileSystemConfigs"] == [{"Arn": access_point, "LocalMountPath": "/mnt/efs"}]
    assert found["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "DEBUG",
        "SystemLogLevel": "INFO",
        "LogGroup": f"/aws/lambda/{name}",
    }
    assert "DEBUG" in cloud.invoke(name, "echo $AWS_LAMBDA_LOG_LEVEL").response

    client.publish_version(FunctionName=name)
    client.update_function_configuration(
        FunctionName=name, EphemeralStorage={"Size": 1024}, DeadLetterConfig={"TargetArn": ""}
    )
    latest = client.get_function(FunctionName=name)["Configuration"]
    version = client.get_function(FunctionName=name, Qualifier="1")["Configuration"]
    assert latest["EphemeralStorage"]["Size"] == 1024
    assert "DeadLetterConfig" not in latest
    assert version["EphemeralStorage"]["Size"] == 512
    assert version["DeadLetterConfig"] == {"TargetArn": target}


def test_queue_policies_come_back_as_they_were_set(
    cloud: LocalCloud, queue_arn: Callable[[], str]
) -> None:
    target = queue_arn()
    client = cloud.aws.client("sqs")
    redrive = f'{{"deadLetterTargetArn":"{target}","maxReceiveCount":5}}'
    allow = '{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-central-1:1:x"]}'
    url = client.create_queue(QueueName="with-policies", Attributes={"RedrivePolicy": redrive})[
        "QueueUrl"
    ]

    client.set_queue_attributes(QueueUrl=url, Attributes={"RedriveAllowPolicy": allow})

    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["RedrivePolicy"] == redrive
    assert found["RedriveAllowPolicy"] == allow
