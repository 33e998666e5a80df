# SPDX-License-Identifier: Apache-2.0
"""The program assume-role against moto, and as a credential_process of boto3."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from conftest import BUILD, REPO
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "bin" / "assume-role"
ROLE = "arn:aws:iam::123456789012:role/deploy"
NEXT = "arn:aws:iam::210987654321:role/next"

# What would name other credentials to an SDK.
OTHERS = (
    "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_DELEGATION_TOKEN", "AWS_SESSION_EXPIRATION", "AWS_CREDENTIAL_FILE", "AWS_ACCOUNT_ID",
    "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_BEARER_TOKEN_BEDROCK",
)  # fmt: skip


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environment(endpoint: str, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "base-secret",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=LIMIT
    )


def test_prints_what_a_credential_process_prints(environment: dict[str, str]) -> None:
    result = run(environment, "--role-arn", ROLE)
    assert (result.returncode, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    keys = {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert set(answer) == keys
    assert answer["Version"] == 1


def test_parallel_callers_get_one_session(environment: dict[str, str], tmp_path: Path) -> None:
    command = [PROGRAM, "--role-arn", ROLE]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(10)
    ]
    assert len({process.communicate(timeout=LIMIT)[0] for process in running}) == 1
    folder = tmp_path / ".cache" / "runlet"
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "base-secret" not in file.read_text()


def test_clamps_a_chained_hop_and_names_it(environment: dict[str, str]) -> None:
    hops = ("--role-arn", ROLE, "--role-arn", NEXT, "--duration-seconds", "7200")
    result = run(environment, *hops, "--format", "json")
    assert result.returncode == 0
    assert f"hop 2 of 2, {NEXT}: asking for 3600 seconds instead of 7200" in result.stderr
    assert "210987654321" in json.loads(result.stdout)["AssumedRoleUser"]["Arn"]


def test_runs_a_command_with_these_keys_alone(environment: dict[str, str], tmp_path: Path) -> None:
    others = dict.fromkeys(OTHERS, "the-others")
    others |= dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_PROFILE"), "default")
    others["AWS_CREDENTIAL_EXPIRATION"] = "2099-01-01T00:00:00Z"
    kept = {
        "AWS_REGION": environment["AWS_REGION"],
        "AWS_ENDPOINT_URL": environment["AWS_ENDPOINT_URL"],
        "AWS_ENDPOINT_URL_STS": environment["AWS_ENDPOINT_URL"],
        "AWS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }
    (tmp_path / "config").write_text("[default]\n")
    given = {**environment, **others, **kept}
    result = run(given, "--role-arn", ROLE, "--", "sh", "-c", "env; exit 7")
    assert result.returncode == 7, result.stderr
    shown = dict(re.findall(r"^(AWS_\w+)=(.*)$", result.stdout, re.M))
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert {name: value for name, value in shown.items() if name not in keys} == kept
    assert keys <= set(shown)
    assert shown["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "the-others" not in result.stdout and "base-secret" not in result.stdout
    assert run(environment, "--role-arn", ROLE, "--", "no-such-command").returncode == 127
    assert run(environment, "--role-arn", ROLE, "--", "/").returncode == 126


def test_the_command_takes_its_place(environment: dict[str, str]) -> None:
    """So a signal that is sent to the one is the other's, and how it ends is seen."""
    process = subprocess.Popen(
        [PROGRAM, "--role-arn", ROLE, "--", "sh", "-c", "echo $$; exec sleep 60"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    process.terminate()
    process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGTERM


def test_keeps_the_region_of_the_profile_it_removes(
    environment: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = us-east-1\n[profile ci]\nregion = us-west-2\n")
    del environment["AWS_REGION"]
    given = {**environment, "AWS_PROFILE": "ci", "AWS_CONFIG_FILE": str(config)}
    shown = run(given, "--role-arn", ROLE, "--", "sh", "-c", "env | grep -c =us-west-2")
    assert (shown.returncode, shown.stdout) == (0, "2\n")
    given["AWS_DEFAULT_REGION"] = "eu-west-1"
    shown = run(given, "--role-arn", ROLE, "--", "sh", "-c", "env | grep REGION")
    assert shown.stdout == "AWS_DEFAULT_REGION=eu-west-1\n"


def test_finds_a_command_as_a_shell_does(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    (tmp_path / "plain").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("file/tool", "bin/tool"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "bin" / "tool").chmod(0o755)
    (tmp_path / "plain" / "tool").mkdir()
    path = f"{tmp_path}/file:{tmp_path}/plain:/etc/passwd"
    for folders, name, code in (
        (f"{path}:{tmp_path}/bin", "tool", 5),
        (path, "tool", 126),
        (path, "other", 127),
        (path, "", 127),
        (path, f"{tmp_path}/bin/tool", 5),
        (path, f"{tmp_path}/bin/other", 127),
    ):
        result = run({**environment, "PATH": folders}, "--role-arn", ROLE, "--", name)
        assert result.returncode == code, result.stderr


def test_takes_a_closed_folder_of_the_path_for_an_empty_one(
    environment: dict[str, str], tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    given = {**environment, "PATH": f"{closed}:/usr/bin", "HOME": "/dev/null"}
    # No folder is closed to root.
    user = "nobody" if os.geteuid() == 0 else None
    try:
        result = subprocess.run(
            [PROGRAM, "--role-arn", ROLE, "--", "no-such-command"],
            env=given, user=user, capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip
    except PermissionError:
        pytest.skip("the program lies where only root can reach it")
    assert result.returncode == 127
    assert "no-such-command: command not found" in result.stderr


def test_needs_no_home_of_its_own(environment: dict[str, str], tmp_path: Path) -> None:
    """In a container HOME may be another user's."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text("[profile team]\nregion = eu-west-1\n")
    home.chmod(0o000)
    user = "nobody" if os.geteuid() == 0 else None

    def attempt(**more: str) -> subprocess.CompletedProcess[str]:
        given = {**environment, "HOME": str(home), **more}
        return subprocess.run(
            [PROGRAM, "--role-arn", ROLE, "--format", "json"],
            env=given, user=user, capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip

    try:
        plain = attempt()
    except PermissionError:
        pytest.skip("the program lies where only root can reach it")
    assert (plain.returncode, plain.stderr) == (0, "")
    named = attempt(AWS_PROFILE="team")
    assert named.returncode == 1
    assert f"cannot read {home}/.aws/config: Permission denied" in named.stderr
    file = attempt(AWS_CONFIG_FILE=f"{home}/.aws/config")
    assert file.returncode == 1
    assert f"cannot read {home}/.aws/config: Permission denied" in file.stderr
    keyless = attempt(AWS_ACCESS_KEY_ID="", AWS_EC2_METADATA_DISABLED="true")
    assert keyless.returncode == 1
    assert f"cannot read {home}/.aws/config: Permission denied" in keyless.stderr
    home.chmod(0o700)


def test_its_manual_has_every_option_of_its_help(environment: dict[str, str]) -> None:
    manual = (REPO / "helpers" / "assume-role" / "assume-role.1").read_text()
    told = set(re.findall(r"^  --([a-z-]+)", run(environment, "--help").stdout, re.M))
    named = set(re.findall(r"^\.It Fl -([a-z-]+)|^\.Fl -(role-arn) ", manual, re.M))
    assert len(told) > 15
    assert told == {"".join(pair) for pair in named}


def test_says_that_nobody_gets_its_help(environment: dict[str, str]) -> None:
    for option in ("--help", "--version"):
        with Path("/dev/full").open("w") as full:
            result = subprocess.run(
                [PROGRAM, option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT
            )
        assert result.returncode == 2
        assert "cannot write to stdout: No space left on device" in result.stderr


def test_leaves_no_connection_open_to_the_command(environment: dict[str, str]) -> None:
    shown = run(environment, "--role-arn", ROLE, "--", "sh", "-c", "ls -l /proc/$$/fd")
    assert shown.returncode == 0
    assert "socket:" not in shown.stdout


def test_refuses_misuse_with_two(environment: dict[str, str]) -> None:
    for arguments, message in (
        ([], "which role? Give --role-arn ARN"),
        (["--external-id", "x"], "it stands before any --role-arn"),
        (["--role-arn", ROLE, "--tag", "x"], "did you mean --tags?"),
        (["--role-arn", ROLE, "--external-id", "--no-cache"], "--external-id needs a value"),
        (["--role-arn", ROLE, "--tags", "a=b"], "expected Key=NAME,Value=TEXT"),
        (["--role-arn", ROLE, "--transitive-tag-keys", "a"], "is not among the tags' keys"),
    ):
        result = run(environment, *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert message in result.stderr


def test_boto3_takes_it_as_its_credential_process(
    environment: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile ci]\ncredential_process = {PROGRAM} --role-arn {ROLE}"
        " --tags Key=a,Value=b Key=c,Value=d --transitive-tag-keys a\n"
    )
    code = (
        "import boto3; print(boto3.Session(profile_name='ci').client('sts')"
        ".get_caller_identity()['Arn'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert ":assumed-role/deploy/runlet-" in result.stdout, result.stderr
