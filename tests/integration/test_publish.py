# SPDX-License-Identifier: Apache-2.0
"""`make publish` puts artifacts into S3 under their hash (moto's S3)."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from conftest import REPO
from localcloud.waiting import LIMIT

BUCKET = "artifacts-of-runlet"
ACCESS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


class Publisher:
    """publish.py in a tree with artifacts of its own."""

    def __init__(self, tree: Path, endpoint: str) -> None:
        self.dist = tree / "dist"
        self.program = tree / "helpers" / "toolchain" / "publish.py"
        self.program.parent.mkdir(parents=True)
        shutil.copy(REPO / "helpers" / "toolchain" / "publish.py", self.program)
        (self.dist / "x86_64").mkdir(parents=True)
        self.artifact(b"one")
        self.endpoint = endpoint
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="eu-central-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="example",
        )
        self.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )

    def artifact(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (self.dist / "x86_64" / "bootstrap.zip").write_bytes(content)
        entry = {"path": "x86_64/bootstrap.zip", "sha256": digest, "size": len(content)}
        (self.dist / "artifacts.json").write_text(json.dumps({"x86_64": {"bootstrap": entry}}))
        return digest

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, self.program, *arguments],
            env={**ACCESS, "AWS_ENDPOINT_URL": self.endpoint, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )

    def keys(self) -> dict[str, bytes]:
        listing = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            one["Key"]: self.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listing
        }


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # moto keeps its state for as long as the process lives.
        requests.post(f"http://{host}:{port}/moto-api/reset", timeout=LIMIT).raise_for_status()
        subject = Publisher(tmp_path, f"http://{host}:{port}")
        yield subject
        subject.s3._endpoint.http_session.close()
    finally:
        server.stop()


def test_puts_each_zip_under_its_hash_once(publisher: Publisher) -> None:
    first = hashlib.sha256(b"one").hexdigest()
    assert "uploaded" in publisher.run(BUCKET).stdout
    assert publisher.keys() == {f"runlet/{first}/bootstrap.zip": b"one"}

    again = publisher.run(BUCKET)
    assert again.returncode == 0
    assert "is there" in again.stdout
    assert "uploaded" not in again.stdout

    second = publisher.artifact(b"two")
    assert publisher.run(BUCKET, "other/").returncode == 0
    assert publisher.keys()[f"other/{second}/bootstrap.zip"] == b"two"


def test_refuses_a_zip_that_is_not_the_one_described(publisher: Publisher) -> None:
    (publisher.dist / "x86_64" / "bootstrap.zip").write_bytes(b"changed")
    result = publisher.run(BUCKET)
    assert result.returncode != 0
    assert "make dist" in result.stderr
    assert publisher.keys() == {}


def test_replaces_what_is_not_whole(publisher: Publisher) -> None:
    key = f"runlet/{hashlib.sha256(b'one').hexdigest()}/bootstrap.zip"
    publisher.s3.put_object(Bucket=BUCKET, Key=key, Body=b"on")

    assert "uploaded" in publisher.run(BUCKET).stdout

    assert publisher.keys() == {key: b"one"}


def test_says_that_a_zip_is_gone(publisher: Publisher) -> None:
    (publisher.dist / "x86_64" / "bootstrap.zip").unlink()
    result = publisher.run(BUCKET)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "x86_64/bootstrap.zip is not there: run `make dist`" in result.stderr


def test_the_prefix_may_be_empty(publisher: Publisher) -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    assert publisher.run(BUCKET, "").returncode == 0
    assert list(publisher.keys()) == [f"{digest}/bootstrap.zip"]


@pytest.mark.parametrize("prefix", ["runlet", "/runlet/", "/"])
def test_refuses_a_prefix_that_the_module_would_refuse(publisher: Publisher, prefix: str) -> None:
    result = publisher.run(BUCKET, prefix)
    assert result.returncode == 1
    assert f"PREFIX={prefix}:" in result.stderr
    assert publisher.keys() == {}


@pytest.mark.parametrize("bucket", ["", "s3://bucket", "Bucket"])
def test_asks_for_a_bucket(publisher: Publisher, bucket: str) -> None:
    result = publisher.run(bucket)
    assert result.returncode != 0
    assert "BUCKET=" in result.stderr


def test_says_why_a_bucket_cannot_be_had(publisher: Publisher) -> None:
    result = publisher.run("there-is-no-such-bucket")
    assert result.returncode != 0
    assert "there-is-no-such-bucket" in result.stderr
    assert "Traceback" not in result.stderr
