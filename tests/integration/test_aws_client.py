# SPDX-License-Identifier: Apache-2.0
"""The AWS client against moto, an implementation of the services that is not ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from conftest import BUILD
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "tests" / "aws-read"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(endpoint: str, service: str, region: str = "eu-central-1") -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )


def read(endpoint: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [PROGRAM, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": endpoint,
            **KEYS,
            **environment,
        },
        capture_output=True,
        timeout=LIMIT,
    )


def test_reads_a_secret_by_name_and_by_arn(endpoint: str) -> None:
    value = 'glrt-é"\\\n\t€😀'
    secrets = client(endpoint, "secretsmanager", "eu-west-3")
    arn = secrets.create_secret(Name="token", SecretString=value)["ARN"]
    by_name = read(endpoint, "secret", "token", AWS_REGION="eu-west-3")
    assert (by_name.returncode, by_name.stdout.decode()) == (0, value)
    # The ARN's region wins over the client's.
    by_arn = read(endpoint, "secret", arn)
    assert (by_arn.returncode, by_arn.stdout.decode()) == (0, value)
    elsewhere = read(endpoint, "secret", "token")
    assert elsewhere.returncode == 1
    assert elsewhere.stderr.startswith(b"ResourceNotFoundException: secretsmanager GetSecretValue")


def test_reads_a_binary_secret(endpoint: str) -> None:
    value = bytes(range(256)) * 8
    client(endpoint, "secretsmanager").create_secret(Name="binary", SecretBinary=value)
    assert read(endpoint, "secret", "binary").stdout == value


def test_reads_a_secret_of_the_largest_size(endpoint: str) -> None:
    value = "\x01" * 65536
    client(endpoint, "secretsmanager").create_secret(Name="large", SecretString=value)
    assert read(endpoint, "secret", "large").stdout.decode() == value


def test_reads_an_encrypted_parameter(endpoint: str) -> None:
    client(endpoint, "ssm").put_parameter(Name="/runlet/token", Value="v 1", Type="SecureString")
    assert read(endpoint, "parameter", "/runlet/token").stdout == b"v 1"
    missing = read(endpoint, "parameter", "/runlet/other")
    assert missing.returncode == 1
    assert missing.stderr.startswith(b"ParameterNotFound: ssm GetParameter: ParameterNotFound: ")


def test_says_what_it_lacks(endpoint: str) -> None:
    assert read(endpoint, "secret", "x", AWS_ACCESS_KEY_ID="").stderr.startswith(b"credentials: ")
    assert read(endpoint, "secret", "x", AWS_REGION="").stderr.startswith(b"region: ")
    refused = read("http://127.0.0.1:1", "secret", "x", AWS_MAX_ATTEMPTS="1")
    assert refused.stderr.startswith(b"connect: secretsmanager GetSecretValue: POST http://127.0.0")
