# SPDX-License-Identifier: Apache-2.0
"""One machine for the default chain, ours and botocore's: environment, files, servers.

STS, the container endpoint and instance metadata are one real HTTP server, whose answers name what
was asked.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import BUILD
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "tests" / "chain-credentials"
EXPIRATION = "2099-01-01T00:00:00Z"


@dataclass
class Faults:
    """What the stand-in does wrong; changed by tests, reset between them."""

    metadata_hangs: bool = False
    metadata_token_status: int = 200
    metadata_checks: str = "the-token"
    role_answer: bytes = b"instance-role"
    container_statuses: list[int] = field(default_factory=list)
    container_answer: bytes | None = None
    authorization: str | None = None


class StandIn(ThreadingHTTPServer):
    """STS, a container endpoint (/container) and instance metadata (/latest).

    Each session of STS has a token of its own.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = Faults()
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.serials = itertools.count()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self, form: dict[str, str]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, form))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.note(form)
        action = form["Action"]
        # The key says which role, and with whose keys or token it was assumed.
        signed = self.headers.get("Authorization", "")
        caller = signed.partition("Credential=")[2].partition("/")[0]
        caller = caller or form.get("WebIdentityToken", "")
        role = form["RoleArn"].rpartition("/")[2]
        key = f"ASIA.{role}.over.{caller}"
        self.answer(
            200,
            f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
            <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>
            <Arn>arn:aws:sts::123456789012:assumed-role/{role}/x</Arn></AssumedRoleUser>
            <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
            <SessionToken>t{next(self.server.serials)}</SessionToken><Expiration>{EXPIRATION}</Expiration></Credentials>
            </{action}Result></{action}Response>""".encode(),
            "text/xml",
        )

    def do_PUT(self) -> None:
        self.note({})
        faults = self.server.faults
        if faults.metadata_hangs:
            self.server.released.wait(LIMIT)
        self.answer(faults.metadata_token_status, b"the-token", "text/plain")

    def do_GET(self) -> None:
        self.note({})
        faults = self.server.faults
        prefix = "/latest/meta-data/iam/security-credentials/"
        if self.path.startswith("/container"):
            status = faults.container_statuses.pop(0) if faults.container_statuses else 200
            if faults.authorization not in (None, self.headers.get("Authorization")):
                status = 401
            self.answer(status, faults.container_answer or keys("ASIACONTAINER"))
        elif self.headers.get("X-aws-ec2-metadata-token") != faults.metadata_checks:
            self.answer(401, b"")
        elif self.path == prefix:
            self.answer(200, faults.role_answer, "text/plain")
        elif self.path == prefix + "instance-role":
            self.answer(200, keys("ASIAINSTANCE"))
        else:
            self.answer(404, b"")


def keys(access_key: str, **more: Any) -> bytes:
    return json.dumps(
        {
            "AccessKeyId": access_key,
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": EXPIRATION,
            **more,
        }
    ).encode()


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def standin(running: StandIn) -> StandIn:
    running.faults = Faults()
    running.requests.clear()
    return running


@dataclass
class Case:
    """One environment with its files."""

    home: Path
    standin: StandIn
    environment: dict[str, str] = field(default_factory=dict)
    profile: str | None = None

    def write(self, config: str = "", credentials: str = "") -> None:
        folder = self.home / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_bytes(config.encode())
        (folder / "credentials").write_bytes(credentials.encode())

    def whole_environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL_STS": self.standin.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.standin.url,
            **self.environment,
        }

    def ours(self) -> dict[str, Any]:
        result = subprocess.run(
            [PROGRAM, *([] if self.profile is None else ["--profile", self.profile])],
            env=self.whole_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        if result.returncode == 0:
            return dict(json.loads(result.stdout))
        assert (result.returncode, result.stdout) == (1, ""), result
        return {"error": result.stderr.strip()}

    def error(self) -> str:
        answer = self.ours()
        assert "error" in answer, answer
        return str(answer["error"])

    def access_key(self) -> str:
        answer = self.ours()
        assert "error" not in answer, answer
        return str(answer["access_key"])

    def botocore(self) -> str:
        """The access key, NONE, or ERROR and what it is."""
        with mock.patch.dict(os.environ, self.whole_environment(), clear=True):
            try:
                session = botocore.session.Session(profile=self.profile)
                credentials = session.get_credentials()
                if credentials is None:
                    return "NONE"
                return str(credentials.get_frozen_credentials().access_key)
            except (BotoCoreError, ClientError, ValueError) as error:
                return f"ERROR {type(error).__name__} {error}"


@pytest.fixture
def case(tmp_path: Path, standin: StandIn) -> Case:
    made = Case(tmp_path, standin)
    made.write()
    return made
