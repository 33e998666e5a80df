# SPDX-License-Identifier: Apache-2.0
"""Files of the default chain that are not what they should be, beside botocore."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from integration.chain_stage import Case, case, running, standin

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


def test_profiles_inherit_from_DEFAULT(case: Case) -> None:
    case.write("", SHARED.replace("[default]", "[DEFAULT]") + "[one]\nregion = x\n")
    case.profile = "one"
    assert case.access_key() == case.botocore() == "AKIA.shared"
