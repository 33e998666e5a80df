# SPDX-License-Identifier: Apache-2.0
"""What every test can rely on, and the last line of a test run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
BUILD = REPO / "build"
DIST = REPO / "dist"

_FAILED = ("failed", "error")


def pytest_configure() -> None:
    """Undoes what nohup and background jobs of a shell ignore: all that is started inherits it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the run with `N passed, N failed`, whatever pytest printed before."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or config.option.collectonly:
        return
    passed = len(reporter.stats.get("passed", []))
    failed = sum(len(reporter.stats.get(outcome, [])) for outcome in _FAILED)
    print(f"{passed} passed, {failed} failed", flush=True)
