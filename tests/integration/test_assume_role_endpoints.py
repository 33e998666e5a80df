# SPDX-License-Identifier: Apache-2.0
"""assume-role's way to STS: which host it calls, by which proxy, whom it trusts, for how long."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from conftest import BUILD
from integration.test_assume_role_faults import session
from localcloud.gitlab.authority import CertificateAuthority
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "bin" / "assume-role"
ROLE = "arn:aws:iam::123456789012:role/deploy"
USER = "arn:aws:iam::123456789012:user/ada"
OTHER_SESSION = "arn:aws:sts::123456789012:assumed-role/hub/job"
HOSTS = (
    "sts.eu-central-1.amazonaws.com",
    "sts-fips.us-east-1.amazonaws.com",
    "sts.eu-central-1.api.aws",
    "sts.us-gov-west-1.amazonaws.com",
    "sts.cn-north-1.amazonaws.com.cn",
    "sts.eusc-de-east-1.amazonaws.eu",
    "sts.example.com",
)


@dataclass
class Internet:
    """A proxy that is, behind it, every host that it is asked for: each an STS."""

    url: str
    ca_file: Path
    caller: str = USER
    hosts: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def asked(self, action: str) -> list[dict[str, str]]:
        return [form for form in self.forms if form["Action"] == action]


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[Internet]:
    authority = CertificateAuthority(tmp_path / "ca")
    context = authority.server_context("localhost", "127.0.0.1", *HOSTS)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            held.hosts.append(self.path)
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except OSError:  # it does not trust us
                self.close_connection = True
                return
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            held.forms.append(form)
            if form["Action"] == "GetCallerIdentity":
                body = f"<R><Arn>{held.caller}</Arn><UserId>X</UserId><Account>1</Account></R>"
            else:
                body = session(int(form.get("DurationSeconds", "3600"))).body
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held = Internet(f"http://127.0.0.1:{server.server_address[1]}", authority.file)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(internet: Internet, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTPS_PROXY": internet.url,
        "AWS_CA_BUNDLE": str(internet.ca_file),
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=LIMIT
    )


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({}, "sts.eu-central-1.amazonaws.com"),
        (
            {"AWS_REGION": "us-east-1", "AWS_USE_FIPS_ENDPOINT": "true"},
            "sts-fips.us-east-1.amazonaws.com",
        ),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "sts.eu-central-1.api.aws"),
        (
            {"AWS_REGION": "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT": "true"},
            "sts.us-gov-west-1.amazonaws.com",
        ),
        ({"AWS_REGION": "cn-north-1"}, "sts.cn-north-1.amazonaws.com.cn"),
        ({"AWS_REGION": "eusc-de-east-1"}, "sts.eusc-de-east-1.amazonaws.eu"),
        (
            {
                "AWS_ENDPOINT_URL": "https://all.example.com",
                "AWS_ENDPOINT_URL_STS": "https://sts.example.com",
            },
            "sts.example.com",
        ),
    ],
    ids=["region", "fips", "dual-stack", "us-gov", "china", "eusc", "variable"],
)
def test_calls_the_endpoint_of_its_region_by_the_proxy(
    internet: Internet, environment: dict[str, str], given: dict[str, str], host: str
) -> None:
    result = run({**environment, **given}, "--role-arn", ROLE)
    assert result.returncode == 0, result.stderr
    assert internet.hosts == [f"{host}:443"]


def test_goes_by_no_proxy_where_the_environment_says_so(
    internet: Internet, environment: dict[str, str]
) -> None:
    given = {**environment, "NO_PROXY": "127.0.0.1", "AWS_ENDPOINT_URL": internet.url}
    assert run({**given, "HTTP_PROXY": "http://127.0.0.1:1"}, "--role-arn", ROLE).returncode == 0
    assert internet.hosts == []
    assert len(internet.forms) == 1


def test_trusts_whom_it_is_told_to(
    internet: Internet, environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["AWS_CA_BUNDLE"]
    refused = run(environment, "--role-arn", ROLE)
    assert (refused.returncode, refused.stdout, internet.forms) == (1, "", [])
    assert "certificate" in refused.stderr
    config = tmp_path / "config"
    config.write_text(f"[default]\nca_bundle = {internet.ca_file}\n")
    result = run({**environment, "AWS_CONFIG_FILE": str(config)}, "--role-arn", ROLE)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("token", "caller", "asked"),
    [(None, USER, "7200"), ("x", USER, "7200"), ("x", OTHER_SESSION, "3600")],
    ids=["keys", "a user's session", "a role's session"],
)
def test_asks_a_first_hop_for_over_an_hour_where_it_is_no_chain(
    internet: Internet, environment: dict[str, str], token: str | None, caller: str, asked: str
) -> None:
    internet.caller = caller
    given = {**environment, "AWS_SESSION_TOKEN": token} if token else environment
    result = run(given, "--role-arn", ROLE, "--duration-seconds", "7200")
    assert result.returncode == 0, result.stderr
    assert [form["DurationSeconds"] for form in internet.asked("AssumeRole")] == [asked]
    assert ("hop 1 of 1" in result.stderr) == (asked == "3600")


def test_asks_with_a_token_for_over_an_hour_and_chains_after_it(
    internet: Internet, environment: dict[str, str]
) -> None:
    given = {**environment, "AWS_ID_TOKEN": "header.payload.signature"}
    hour_and_more = ["--duration-seconds", "7200"]
    by_token = ["--web-identity-token-env", "AWS_ID_TOKEN", *hour_and_more]
    result = run(given, "--role-arn", ROLE, *by_token, "--role-arn", ROLE, *hour_and_more)
    assert result.returncode == 0, result.stderr
    (first,) = internet.asked("AssumeRoleWithWebIdentity")
    (second,) = internet.asked("AssumeRole")
    assert (first["DurationSeconds"], second["DurationSeconds"]) == ("7200", "3600")
    assert "hop 1" not in result.stderr
    assert f"hop 2 of 2, {ROLE}: asking for 3600 seconds instead of 7200" in result.stderr


OPTIONS = {
    "--tags": ["Key=a,Value=b", "Key=c,Value=d"],
    "--transitive-tag-keys": ["a"],
    "--policy-arns": ["arn=arn:aws:iam::aws:policy/ReadOnlyAccess"],
}


@pytest.mark.parametrize(
    "other",
    [
        {"--role-session-name": ["other"]},
        {"--external-id": ["other"]},
        {"--duration-seconds": ["900"]},
        {"--policy": [json.dumps({"Version": "2012-10-17", "Statement": []})]},
        {"--policy-arns": ["arn=arn:aws:iam::aws:policy/PowerUserAccess"]},
        {"--tags": ["Key=a,Value=b", "Key=c,Value=other"]},
        {"--tags": ["Key=a,Value=b", "Key=other,Value=d"]},
        {"--transitive-tag-keys": ["c"]},
        {"--source-identity": ["other"]},
        {"--endpoint-url": ["https://sts.example.com"]},
        {"--region": ["eu-west-1"], "--endpoint-url": [f"https://{HOSTS[0]}"]},
    ],
    ids=" ".join,
)
def test_takes_no_session_that_was_asked_for_otherwise(
    internet: Internet, environment: dict[str, str], other: dict[str, list[str]]
) -> None:
    for options, calls in ((OPTIONS, 1), ({**OPTIONS, **other}, 2), (OPTIONS, 2)):
        words = [word for name, values in options.items() for word in (name, *values)]
        result = run(environment, "--role-arn", ROLE, *words)
        assert result.returncode == 0, result.stderr
        assert len(internet.forms) == calls
