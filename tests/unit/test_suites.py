# SPDX-License-Identifier: Apache-2.0
"""Runs every Check suite, built with ASan and UBSan (`make build SANITIZE=1`)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, REPO

SUITES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.c"))


@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str) -> None:
    """The suite's program ends with 0: all its checks held, and no sanitizer spoke."""
    environment = {
        **os.environ,
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "CK_DEFAULT_TIMEOUT": "300",
    }
    result = subprocess.run(
        [BUILD / "sanitize" / "tests" / suite],
        cwd=REPO,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=540,
    )
    assert result.returncode == 0, f"{suite}: {result.stdout}{result.stderr}"
