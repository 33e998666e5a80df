# SPDX-License-Identifier: Apache-2.0
"""Presigned URLs of S3 against botocore's generate_presigned_url, at the same moment."""

from __future__ import annotations

import datetime
import functools
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from botocore import auth
from botocore.config import Config
from botocore.utils import percent_encode_sequence
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import BUILD

PROGRAM = BUILD / "tests" / "s3-presign"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzE/a+b=="


@dataclass
class Wanted:
    """A request in botocore's words: an operation and its parameters."""

    key: str = "key"
    operation: str = "get_object"
    parameters: dict[str, str] = field(default_factory=dict)
    seconds: int = 3600
    timestamp: int = 1_440_938_160
    token: str = ""
    region: str = "eu-central-1"
    bucket: str = "bucket"
    endpoint: str = ""


# What parameters are on the wire.
METHODS = {
    "get_object": "GET", "put_object": "PUT", "head_object": "HEAD", "delete_object": "DELETE"
}  # fmt: skip
QUERY = {
    "ResponseContentDisposition": "response-content-disposition",
    "ResponseContentType": "response-content-type",
    "VersionId": "versionId",
}
HEADERS = {
    "ContentType": "Content-Type",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "ExpectedBucketOwner": "x-amz-expected-bucket-owner",
}


def run(wanted: Wanted, **changes: Any) -> subprocess.CompletedProcess[str]:
    parameters = wanted.parameters.items()
    request = {
        "bucket": wanted.bucket,
        "key": wanted.key,
        "method": METHODS[wanted.operation],
        "query": percent_encode_sequence({QUERY[n]: v for n, v in parameters if n in QUERY}),
        "headers": {HEADERS[n]: v for n, v in parameters if n in HEADERS},
        "seconds": wanted.seconds,
        "timestamp_ms": wanted.timestamp * 1000,
        "endpoint": wanted.endpoint,
        "access_key": "AKIDEXAMPLE",
        "secret_key": SECRET,
        "token": wanted.token,
        **changes,
    }
    return subprocess.run(
        [PROGRAM],
        input=json.dumps(request),
        env={"PATH": os.environ["PATH"], "AWS_REGION": wanted.region},
        capture_output=True,
        text=True,
        timeout=60,
    )


def ours(wanted: Wanted) -> str:
    result = run(wanted)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


SESSION = botocore.session.Session()


@functools.cache
def client_of(region: str, endpoint: str, style: str, token: str) -> Any:
    return SESSION.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint or None,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=SECRET,
        aws_session_token=token or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )


def botocores(wanted: Wanted) -> str:
    style = "path" if wanted.endpoint or "." in wanted.bucket else "virtual"
    client = client_of(wanted.region, wanted.endpoint, style, wanted.token)
    moment = datetime.datetime.fromtimestamp(wanted.timestamp, datetime.UTC)
    with mock.patch.object(auth, "get_current_datetime", lambda: moment):
        return client.generate_presigned_url(
            wanted.operation,
            Params={"Bucket": wanted.bucket, "Key": wanted.key, **wanted.parameters},
            ExpiresIn=wanted.seconds,
        )


KEYS = st.lists(
    st.sampled_from(
        ["/", "//", "/./", "/../", " ", "+", "%", "%2F", "é", "日本", "🚀", "~", "=&?#"]
    )
    | st.text("abcXYZ019-._~!$&'()*+,;=:@%\"<>[]\\^`{|} \t", max_size=8),
    min_size=1,
    max_size=6,
).map("".join)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)
QUERIES = st.dictionaries(st.sampled_from(list(QUERY)), PRINTABLE | st.just("é 日本/+"))
WANTED = st.builds(
    Wanted,
    key=KEYS.filter(bool),
    parameters=QUERIES,
    seconds=st.integers(1, 604_800),
    timestamp=st.integers(1_000_000_000, 4_000_000_000),
    token=st.sampled_from(["", TOKEN]),
    region=st.sampled_from(["eu-central-1", "cn-north-1"]),
    bucket=st.sampled_from(["bucket", "my.bucket"]),
    endpoint=st.sampled_from(["", "http://localhost:4566", "https://minio.example.com"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WANTED)
@example(Wanted(key="a folder/é+1 (2)~.zip", token=TOKEN))
@example(Wanted(key="/begins with a slash"))
@example(Wanted(key="a//b/../c/."))
@example(Wanted(seconds=1))
@example(Wanted(seconds=604_800))
@example(Wanted(operation="head_object", parameters={"ExpectedBucketOwner": "123456789012"}))
@example(Wanted(operation="delete_object", parameters={"VersionId": "a+b/c=="}))
@example(
    Wanted(
        operation="put_object",
        parameters={"ContentType": "text/plain; charset=utf-8", "ServerSideEncryption": "aws:kms"},
        token=TOKEN,
    )
)
def test_presigns_as_botocore_does(wanted: Wanted) -> None:
    assert ours(wanted) == botocores(wanted)


def test_the_headers_that_are_signed_stand_in_the_url() -> None:
    url = ours(Wanted(operation="put_object", parameters={"ContentType": "text/plain"}))
    query = dict(parse_qsl(urlsplit(url).query))
    assert query["X-Amz-SignedHeaders"] == "content-type;host"
    assert query["X-Amz-Expires"] == "3600"
    assert SECRET not in url


@pytest.mark.parametrize("seconds", [0, -5, 604_801])
def test_refuses_times_that_aws_does_not_take(seconds: int) -> None:
    result = run(Wanted(seconds=seconds))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"sigv4: a presigned URL cannot last for {seconds} seconds: it must be 1 to 604800\n"
    )


def test_needs_credentials() -> None:
    result = run(Wanted(), access_key="")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "credentials: a presigned URL needs credentials\n"


@pytest.mark.parametrize("endpoint", ["not a url", "https://a b", "https://a:b:c/"])
def test_refuses_what_is_not_a_url(endpoint: str) -> None:
    result = run(Wanted(endpoint=endpoint))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "url: the URL is not valid: write it like https://host\n"
