# SPDX-License-Identifier: Apache-2.0
"""checkov in an environment of its own: it pins packages that moto and boto3 need newer."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPO / "tests" / "requirements-checkov.txt"
VENV = REPO / "build" / "venv-checkov"


def environment() -> Path:
    """The folder of the virtual environment, made where it is missing or out of date."""
    stamp = VENV / ".made-of"
    wanted = hashlib.sha256(f"{VENV} {REQUIREMENTS.read_text()}".encode()).hexdigest()
    VENV.parent.mkdir(exist_ok=True)
    with VENV.with_name(".venv-checkov.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(VENV, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
            _pip("install", "--quiet", "--no-deps", "--requirement", REQUIREMENTS)
            stamp.write_text(wanted)
    return VENV


def _pip(*arguments: str | Path) -> None:
    subprocess.run(
        [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", *arguments],
        check=True,
    )


def scan(folder: Path) -> dict[str, Any]:
    """What checkov says of the Terraform code in a folder, offline."""
    answer = subprocess.run(
        [
            environment() / "bin" / "checkov",
            *("--directory", folder, "--framework", "terraform", "--output", "json"),
            *("--compact", "--skip-download", "--soft-fail"),
        ],
        env=_offline(os.environ),
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        raise RuntimeError(f"checkov failed\n{answer.stdout}{answer.stderr}")
    return dict(json.loads(answer.stdout))


def _offline(variables: Mapping[str, str]) -> dict[str, str]:
    """Without an account of its makers' platform, which it would otherwise talk to."""
    return {name: value for name, value in variables.items() if not name.startswith("BC_")}
