# SPDX-License-Identifier: Apache-2.0
"""Objects of S3: where they are, signed as botocore signs, in spite of a server that cuts."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import BUILD
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "tests" / "aws-get"
REGION = "eu-central-1"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "a/session+token",
}
CONTENT = os.urandom(300_000)
KEY = "a folder/é+1 (2)~.zip"
PATH = "/bucket/a%20folder/%C3%A9%2B1%20%282%29~.zip"


def get(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "AWS_REGION": REGION, **KEYS, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


class Server:
    """Answers with `status`; a good answer is cut once after `cut` bytes."""

    def __init__(self) -> None:
        self.status = 200
        self.cut = 0
        self.asked: list[tuple[str, dict[str, str]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                start = int(self.headers.get("Range", "bytes=0-")[6:-1])
                content = CONTENT[start:] if owner.status == 200 else b"<Error/>"
                self.send_response(206 if start else owner.status)
                self.send_header("ETag", '"etag"')
                self.send_header("Content-Length", str(len(content)))
                if start:
                    self.send_header(
                        "Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
                    )
                self.end_headers()
                cut, owner.cut = owner.cut, 0
                self.wfile.write(content[:cut] if cut else content)
                self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server()
    yield serving
    serving.server.shutdown()
    serving.server.server_close()


def signature_of(url: str, date: str) -> str:
    """The Authorization header that botocore makes for a GET at this moment."""
    request = AWSRequest("GET", url, headers={"host": url.split("/")[2]})
    request.context["timestamp"] = date
    credentials = Credentials(*KEYS.values())
    signer = S3SigV4Auth(credentials, "s3", REGION)
    request.headers["X-Amz-Date"] = date
    request.headers["X-Amz-Security-Token"] = KEYS["AWS_SESSION_TOKEN"]
    request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    canonical = signer.canonical_request(request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    return (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, "
        f"Signature={signature}"
    )


def test_signs_as_botocore_does(server: Server, tmp_path: Path) -> None:
    result = get("bucket", KEY, tmp_path / "file", AWS_ENDPOINT_URL=server.url)

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "file").read_bytes() == CONTENT
    ((path, headers),) = server.asked
    assert path == PATH
    assert headers["authorization"] == signature_of(f"{server.url}{PATH}", headers["x-amz-date"])
    assert headers["x-amz-security-token"] == KEYS["AWS_SESSION_TOKEN"]


def test_goes_on_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    result = get("bucket", KEY, tmp_path / "file", AWS_ENDPOINT_URL=server.url)

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked[1][1]["range"] == "bytes=100000-"


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (404, "NotFound"), (301, "WrongRegion"), (400, "status")],
)
def test_names_what_an_answer_means(server: Server, tmp_path: Path, status: int, code: str) -> None:
    server.status = status
    result = get("bucket", KEY, tmp_path / "file", AWS_ENDPOINT_URL=server.url)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{code}: ")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in result.stderr
    assert len(server.asked) == 1, "this is final"


def test_a_full_disk_ends_it_at_once(server: Server) -> None:
    result = get("bucket", KEY, "/dev/full", AWS_ENDPOINT_URL=server.url)
    assert result.returncode == 1
    assert "No space left on device" in result.stderr
    assert len(server.asked) == 1


PLACES = {
    "virtual host": ("bucket", {}, "https://bucket.s3.eu-central-1.amazonaws.com/k"),
    "a dot": ("my.bucket", {}, "https://s3.eu-central-1.amazonaws.com/my.bucket/k"),
    "China": (
        "bucket", {"AWS_REGION": "cn-north-1"}, "https://bucket.s3.cn-north-1.amazonaws.com.cn/k"
    ),
    "FIPS": (
        "bucket",
        {"AWS_REGION": "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT": "true"},
        "https://bucket.s3-fips.us-gov-west-1.amazonaws.com/k",
    ),
    "dual stack": (
        "bucket",
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/k",
    ),
    "an endpoint of one's own": (
        "bucket", {"AWS_ENDPOINT_URL_S3": "https://minio.example.com/"},
        "https://minio.example.com/bucket/k",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_knows_where_a_bucket_is(case: str) -> None:
    bucket, environment, url = PLACES[case]
    assert get(bucket, "k", **environment).stdout == f"{url}\n"
