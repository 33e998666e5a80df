# SPDX-License-Identifier: Apache-2.0
"""Where the default chain finds credentials: processes, containers, instance metadata."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from integration.chain_stage import PROGRAM, Case, Faults, StandIn, case, keys, running, standin
from localcloud.gitlab.authority import CertificateAuthority
from localcloud.waiting import LIMIT, wait_until, within

__all__ = ["case", "running", "standin"]

# --- credential_process -----------------------------------------------------------------------


def process(case: Case, script: str) -> None:
    (case.home / "process").write_text(f"#!/bin/sh\n{script}\n")
    (case.home / "process").chmod(0o755)
    case.write(f"[profile p]\ncredential_process = '{case.home}/process' \"two words\" 'x'\n")
    case.profile = "p"
    case.environment["AWS_EC2_METADATA_DISABLED"] = "true"


def answer_of_process(**more: Any) -> str:
    return json.dumps({"Version": 1, "AccessKeyId": "AKIAP", "SecretAccessKey": "hidden", **more})


def test_gives_the_process_its_words_and_no_shell(case: Case) -> None:
    process(case, f"[ $# = 2 ] && [ \"$1\" = 'two words' ] && echo '{answer_of_process()}'")
    assert case.access_key() == "AKIAP"
    assert case.botocore() == "AKIAP"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'please sign in' >&2; exit 7", "it ended with status 7: please sign in"),
        ("echo 'please sign in' >/dev/stderr; exit 7", "it ended with status 7: please sign in"),
        ("kill -9 $$", "signal 9 ended it"),
        ("echo nonsense", "its output: not JSON, from byte "),
        (f"echo '{answer_of_process(Version=2)}'", "its output has Version 2, only 1 is known"),
        (f"echo '{answer_of_process(Version='1')}'", "its output.Version: expected an integer"),
        (
            f"echo '{answer_of_process(Expiration='2020-01-01T00:00:00Z')}'",
            "its output: the keys are expired since 2020-01-01T00:00:00Z",
        ),
        (
            f"echo '{answer_of_process(Expiration='tomorrow')}'",
            "its output: Expiration is not a time in ISO 8601",
        ),
        ("echo '{\"Version\": 1}'", "its output: answer.AccessKeyId: missing"),
        ("head -c 100000 /dev/zero", "it wrote more than 65536 bytes"),
    ],
)
def test_says_what_is_wrong_with_a_process(case: Case, script: str, message: str) -> None:
    process(case, script)
    error = case.error()
    assert "profile p: credential_process: " in error
    assert message in error
    assert "hidden" not in error


def test_a_process_ends_with_the_program_that_waits_for_it(case: Case) -> None:
    process(case, 'echo $$ > "$0.pid"; exec sleep 1000')
    pid_file = case.home / "process.pid"
    waiting = subprocess.Popen([PROGRAM, "--profile", "p"], env=case.whole_environment())
    wait_until(
        lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), "the process's start"
    )
    # Nobody's any more once it has ended, though it may still be listed.
    sleeper = Path("/proc") / pid_file.read_text().strip() / "exe"
    assert sleeper.exists()
    waiting.terminate()
    waiting.wait(LIMIT)
    wait_until(lambda: not sleeper.exists(), "the end of the process")


def test_shows_the_end_of_a_long_complaint_only(case: Case) -> None:
    process(case, "yes noise | head -c 3000000 >&2; exit 1")
    error = case.error()
    assert "it ended with status 1: " in error
    assert len(error) < 700
    process(case, "yes noise | head -c 100000 >&2; echo the end >&2; exit 1")
    assert case.error().endswith("the end")


def test_a_process_that_is_this_program_is_skipped(case: Case) -> None:
    case.write(f"[profile p]\ncredential_process = {PROGRAM} --profile p\n")
    case.profile = "p"
    case.environment["AWS_EC2_METADATA_DISABLED"] = "true"
    error = case.error()
    assert error.startswith("none: no AWS credentials: looked at credential_process of profile p ")
    assert "as it starts this program again" in error

    case.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{case.standin.url}/container"
    assert case.access_key() == "ASIACONTAINER"


def test_a_script_that_comes_back_to_us_ends(case: Case) -> None:
    process(case, f'echo x >> {case.home}/runs; exec {PROGRAM} --profile p "$@"')
    # The arguments of the script are no options of the program: it would end for that reason.
    (case.home / "process").write_text(
        f"#!/bin/sh\necho x >> {case.home}/runs\nexec {PROGRAM} --profile p\n"
    )
    assert "this program again" in case.error()  # the end of what the script said
    assert (case.home / "runs").read_text() == "x\n"


# --- Container endpoint -----------------------------------------------------------------------


def container(case: Case, **environment: str) -> None:
    case.environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{case.standin.url}/container?a=b",
        **environment,
    }


def test_sends_the_containers_token(case: Case) -> None:
    case.standin.faults.authorization = "Bearer by-variable"
    container(case, AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer by-variable")
    assert case.access_key() == "ASIACONTAINER"

    case.standin.faults.authorization = "by-file"
    (case.home / "token").write_text("by-file")
    case.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(case.home / "token")
    assert case.access_key() == "ASIACONTAINER"
    assert case.botocore() == "ASIACONTAINER"


def test_no_proxy_sees_the_containers_token(case: Case) -> None:
    container(case, http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1")
    assert case.access_key() == "ASIACONTAINER"


def test_checks_the_containers_certificate(case: Case, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    secure = StandIn()
    context = authority.server_context("localhost")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    url = secure.url.replace("http://127.0.0.1", "https://localhost") + "/container"
    container(case, AWS_CONTAINER_CREDENTIALS_FULL_URI=url)

    assert case.error().startswith("certificate: container endpoint: ")
    case.write(f"[default]\nca_bundle = {authority.file}\n")
    assert case.access_key() == "ASIACONTAINER"
    case.write()
    case.environment["AWS_CA_BUNDLE"] = str(authority.file)
    assert case.access_key() == "ASIACONTAINER"

    secure.shutdown()
    secure.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.170.3/x",
        "http://example.com/x",
        "http://localhost.example.com/x",
        "http://127.0.0.1@example.com/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "/x",
    ],
)
def test_refuses_other_hosts_without_tls(case: Case, url: str) -> None:
    container(case, AWS_CONTAINER_CREDENTIALS_FULL_URI=url)
    assert "is not allowed: use https, or http with a loopback host" in case.error()
    assert case.botocore().startswith("ERROR")


def test_refuses_bad_tokens_and_paths(case: Case) -> None:
    for token in ("secret\n", "secret\r\nX-Other: 1"):
        container(case, AWS_CONTAINER_AUTHORIZATION_TOKEN=token)
        error = case.error()
        assert "AWS_CONTAINER_AUTHORIZATION_TOKEN: the token holds a line break" in error
        assert "secret" not in error
    container(case, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="/nowhere")
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: " in case.error()
    container(case, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="@example.com/x")
    assert '"@example.com/x" does not begin with /' in case.error()
    assert case.standin.requests == []


def test_a_container_that_fails_is_an_error(case: Case) -> None:
    container(case, AWS_CONTAINER_AUTHORIZATION_TOKEN="wrong")
    case.standin.faults.authorization = "right"
    error = case.error()
    assert error.startswith("container: container endpoint: ")
    assert "answered with status 401" in error
    assert "wrong" not in error

    case.standin.faults.container_answer = b"no, not with wrong, that is"
    assert case.error().endswith("answered with status 401")
    case.standin.faults.container_answer = b"no\x1b[31m, go away"
    assert case.error().endswith("answered with status 401: no [31m, go away")

    container(case)
    case.standin.faults = Faults(container_answer=b"x" * 100_000)
    assert case.error().startswith("too_large: container endpoint: ")
    case.standin.faults = Faults(container_answer=keys("A", Expiration="2020-01-01T00:00:00Z"))
    assert "the keys are expired since 2020-01-01T00:00:00Z" in case.error()
    case.standin.faults = Faults(container_answer=b"{}")
    assert "AccessKeyId: missing" in case.error()


def test_a_container_that_fails_twice_is_asked_again(case: Case) -> None:
    container(case)
    case.standin.faults.container_statuses = [500, 503]
    assert case.access_key() == "ASIACONTAINER"
    assert len(case.standin.requests) == 3


# --- Instance metadata ------------------------------------------------------------------------


def test_asks_instance_metadata_with_a_token(case: Case) -> None:
    answer = case.ours()
    assert answer["access_key"] == "ASIAINSTANCE"
    assert answer["source"] == "instance metadata (role instance-role)"
    methods = [method for method, *_ in case.standin.requests]
    assert methods == ["PUT", "GET", "GET"]
    assert case.standin.requests[0][2]["x-aws-ec2-metadata-token-ttl-seconds"] == "300"


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        # Version 1 would be asked without a token: it never is.
        (Faults(metadata_token_status=404), "answered with status 404"),
        (Faults(metadata_token_status=403), "answered with status 403"),
        (Faults(metadata_checks="another"), "answered with status 401"),
        (Faults(role_answer=b""), "what it names is not a role"),
        (Faults(role_answer=b"../../x"), "what it names is not a role"),
        (Faults(role_answer=b"gone"), "answered with status 404"),
        (Faults(role_answer=b"r" * 100_000), "65536 bytes"),
    ],
)
def test_goes_on_without_instance_metadata(case: Case, faults: Faults, message: str) -> None:
    case.standin.faults = faults
    error = case.error()
    assert error.startswith("none: no AWS credentials: looked at environment ")
    assert message in error.partition("instance metadata (")[2]
    if faults.metadata_token_status != 200:
        assert {method for method, *_ in case.standin.requests} == {"PUT"}


def test_gives_up_on_metadata_that_does_not_answer(case: Case) -> None:
    case.standin.faults.metadata_hangs = True
    with within(5.5, "giving up"):
        assert case.error().startswith("none: ")


def test_metadata_may_be_switched_off_or_misnamed(case: Case) -> None:
    case.environment["AWS_EC2_METADATA_DISABLED"] = "TRUE"
    assert "instance metadata (AWS_EC2_METADATA_DISABLED is true)" in case.error()
    case.environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5"}
    assert '"IPv5": write IPv4 or IPv6' in case.error()
    assert case.standin.requests == []
