# SPDX-License-Identifier: Apache-2.0
"""Tokens and keys leave no copy in memory once they were used.

The program no-copy searches its own memory. The broker's is searched from outside.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import BUILD
from integration.broker_stage import StageMaker, make_stage
from integration.test_job_profiles import AUDIENCE, as_role, stage
from integration.test_job_profiles import Stage as JobStage
from localcloud.gitlab import CertificateAuthority

__all__ = ["make_stage", "stage"]

PROGRAM = BUILD / "tests" / "no-copy"
MASK = 0x5A
PIECE = 16
# What all session tokens and JWTs of one maker may begin with.
COMMON = 64


def make_secrets() -> dict[str, str]:
    return {
        "runner_token": "glrt-" + secrets.token_urlsafe(45),
        "function_key": secrets.token_urlsafe(30),
        "function_token": secrets.token_urlsafe(500),
        "secret_key": secrets.token_urlsafe(30),
        "session_token": secrets.token_urlsafe(600),
        "job_token": "glcbt-" + secrets.token_urlsafe(48),
        "id_token": ".".join("eyJ" + secrets.token_urlsafe(size) for size in (60, 300, 255)),
        "variable": secrets.token_urlsafe(1200),
    }


@contextmanager
def sts(values: dict[str, str], ca: CertificateAuthority | None) -> Iterator[str]:
    """An STS that gives one session."""
    answer = f"""<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser>
        <Arn>arn:aws:sts::123456789012:assumed-role/job/s</Arn><AssumedRoleId>A:s</AssumedRoleId>
        </AssumedRoleUser><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>
        <SecretAccessKey>{values["secret_key"]}</SecretAccessKey>
        <SessionToken>{values["session_token"]}</SessionToken>
        <Expiration>2099-01-01T00:00:00Z</Expiration>
        </Credentials></AssumeRoleResult></AssumeRoleResponse>""".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if ca:
        context = ca.server_context("127.0.0.1", "127.0.0.1")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if ca else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def places(pid: int, value: str) -> list[str]:
    """Where 16 bytes of it stand together in what the process can write, one for each mapping."""
    pieces = [value[at : at + PIECE].encode() for at in range(0, len(value) - PIECE + 1, PIECE)]
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_, name = [*line.split(None, 5), ""][:6]
            if rights.startswith("rw"):
                start, end = (int(part, 16) for part in span.split("-"))
                memory.seek(start)
                content = memory.read(end - start)
                if any(piece in content for piece in pieces):
                    found.append(name or span)
    return found


@pytest.mark.parametrize("tls", [False, True])
def test_a_job_leaves_no_copy(tmp_path: Path, tls: bool) -> None:
    values = make_secrets()
    ca = CertificateAuthority(tmp_path / "ca") if tls else None
    masked = "".join(
        f"{name} {bytes(byte ^ MASK for byte in value.encode()).hex()}\n"
        for name, value in values.items()
    )
    with sts(values, ca) as endpoint:
        environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": endpoint}
        if ca:
            environment["AWS_CA_BUNDLE"] = str(ca.file)
        done = subprocess.run(
            [PROGRAM, tmp_path / "profiles"],
            input=masked,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    # What was planted shows that a copy would be found.
    planted = [line for line in found if line.startswith("planted")]
    assert {line.split()[0] for line in planted} == {"planted-data", "planted-freed"}
    assert [line for line in found if line not in planted] == [], done.stdout
    assert (tmp_path / "profiles" / "id-tokens" / "AWS_ID_TOKEN").read_text() == values["id_token"]


@pytest.mark.parametrize("tls", [False, True])
def test_the_broker_leaves_no_copy(make_stage: StageMaker, tls: bool) -> None:
    stage = make_stage(tls=tls)
    pid = stage.broker.process.pid
    assert places(pid, stage.runner.token) != []

    runner = stage.client().take_job()
    runner.write("hello\n")
    assert runner.finish("success").status_code == 200
    # What the broker keeps is in pages of its own.
    assert len(places(pid, stage.runner.token)) == 1

    assert stage.broker.order("stop") == {}

    assert places(pid, stage.runner.token) == []
    assert places(pid, runner.job["token"]) == []


def test_the_bootstrap_leaves_no_copy(stage: JobStage) -> None:
    """After a job only what the next one needs is there: in pages of its own, once."""
    stage.put_accounts({})
    fetch = "curl -sS -H Authorization:$AWS_CONTAINER_AUTHORIZATION_TOKEN -o /mnt/shared/keys "
    job, invocation = stage.run(
        {
            "script": [
                fetch + "$AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "printf %s $RUNLET_ID_TOKEN > /mnt/shared/id_token",
            ],
            "id_tokens": {"RUNLET_ID_TOKEN": {"aud": AUDIENCE}},
        },
        # Else the dynamic loader saves the registers of whoever calls a function first to its
        # stack, with what memcpy left in them. In Lambda the program is static.
        LD_BIND_NOW="1",
        **as_role(stage),
    )
    assert invocation.json["status"] == "job_succeeded", stage.bootstrap.log
    given = json.loads((stage.bootstrap.shared / "keys").read_text())
    id_token = (stage.bootstrap.shared / "id_token").read_text()
    pid = stage.bootstrap.bootstrap_pid()

    # The settings' and the source's.
    assert len(places(pid, stage.runner.token)) == 2
    assert len(places(pid, stage.keys["SecretAccessKey"])) == 1
    assert len(places(pid, stage.keys["SessionToken"][COMMON:])) == 1
    assert places(pid, given["SecretAccessKey"]) == []
    assert places(pid, given["Token"][COMMON:]) == []
    assert places(pid, job.token) == []
    assert places(pid, id_token[COMMON:]) == []
