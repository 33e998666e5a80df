# SPDX-License-Identifier: Apache-2.0
"""Files of the default chain that are not what they should be, beside botocore."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import BUILD
from integration.chain_stage import Case, case, running, standin
from localcloud.waiting import LIMIT

__all__ = ["case", "running", "standin"]

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA.environment", "AWS_SECRET_ACCESS_KEY": "s"}
SHARED = "[default]\naws_access_key_id = AKIA.shared\naws_secret_access_key = s\n"


def make(kind: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "socket"])
@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_what_is_no_regular_file_is_as_none(case: Case, kind: str, variable: str) -> None:
    path = case.home / "odd"
    make(kind, path)
    case.environment = {variable: str(path), **KEYS}
    assert case.access_key() == case.botocore() == "AKIA.environment"


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "socket"])
def test_never_waits_for_a_token(case: Case, kind: str) -> None:
    path = case.home / "odd"
    make(kind, path)
    case.environment = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(path),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
    }
    assert f"web identity token: cannot read {path}" in case.error()


def test_a_token_is_read_once(case: Case) -> None:
    """As of a shell's <(command): a pipe gives it to one reader, and then nothing more."""
    path = case.home / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("header.payload.signature",))
    writer.start()
    case.environment = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(path),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
    }
    assert case.access_key() == "ASIA.x.over.header.payload.signature"
    writer.join()


@pytest.mark.parametrize("written", ["$PLACE/c", "${PLACE}/c", "$UNKNOWN/c", "${PLACE/c", "$/c"])
def test_expands_variables_in_paths(case: Case, written: str) -> None:
    (case.home / "c").write_text(SHARED)
    case.environment = {
        "PLACE": str(case.home),
        "AWS_SHARED_CREDENTIALS_FILE": written,
        **({} if written in ("$PLACE/c", "${PLACE}/c") else KEYS),
    }
    expected = "AKIA.environment" if "AWS_ACCESS_KEY_ID" in case.environment else "AKIA.shared"
    assert case.access_key() == case.botocore() == expected


def test_blanks_of_python_are_no_part_of_a_value(case: Case) -> None:
    case.write("", SHARED.replace("shared\n", "shared\u00a0 \n"))
    assert case.access_key() == case.botocore() == "AKIA.shared"


@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
)
def test_names_the_variable_whose_key_ends_in_a_newline(case: Case, name: str) -> None:
    case.environment = {**KEYS, name: "AKIA.environment\n"}
    assert f"{name} has a blank, a line's end or another invisible character" in case.error()


def test_reads_large_files(case: Case) -> None:
    """16 MiB, as tools write that know every account and role of a company."""
    comments = ("# " + "x" * 1021 + "\n") * (16 * 1024 - 1)
    case.write("", comments + SHARED)
    assert case.access_key() == "AKIA.shared"
    case.write("", comments * 2 + SHARED)
    assert "larger than 16777216 bytes" in case.error()


def test_profiles_inherit_from_DEFAULT(case: Case) -> None:
    case.write("", SHARED.replace("[default]", "[DEFAULT]") + "[one]\nregion = x\n")
    case.profile = "one"
    assert case.access_key() == case.botocore() == "AKIA.shared"


# --- The program itself -----------------------------------------------------------------------

ROLE = "arn:aws:iam::123456789012:role/x"


def complaint(case: Case, *arguments: str, **environment: str) -> str:
    """What it says where no STS answers."""
    result = subprocess.run(
        [BUILD / "bin" / "assume-role", "--no-cache", "--role-arn", ROLE, *arguments],
        env={
            "HOME": str(case.home),
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
            "AWS_MAX_ATTEMPTS": "1",
            **KEYS,
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (result.returncode != 0, result.stdout) == (True, ""), result
    return result.stderr


def test_warns_where_the_two_profile_variables_differ(case: Case) -> None:
    case.write("", SHARED + "[one]\nregion = x\n")
    shared = str(case.home / ".aws" / "credentials")
    files = {"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_PROFILE": "one"}
    warning = "AWS_PROFILE and AWS_DEFAULT_PROFILE differ"
    assert warning in complaint(case, **files, AWS_DEFAULT_PROFILE="default")
    assert warning not in complaint(case, **files, AWS_DEFAULT_PROFILE="one")


@pytest.mark.parametrize("region", ["aws-global", "aws-cn-global", "fips-us-east-1"])
def test_refuses_a_pseudo_region_by_name(case: Case, region: str) -> None:
    assert f'"{region}" is a pseudo-region' in complaint(case, AWS_REGION=region)


def test_never_waits_for_a_policy(case: Case) -> None:
    os.mkfifo(case.home / "policy")
    said = complaint(case, "--policy", f"file://{case.home}/policy")
    assert "nobody wrote it to its end within 5000 ms" in said


def test_takes_a_blank_behind_the_comma_of_a_tag(case: Case) -> None:
    assert "127.0.0.1:9" in complaint(case, "--tags", "Key=a, Value=b")
