# SPDX-License-Identifier: Apache-2.0
"""Starts the moto process, for the local cloud and for smaller parts of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from localcloud.children import end, free_port, spawn, wait_for_port

TESTS = Path(__file__).resolve().parents[1]


class Moto:
    """The process, ended with the stack. `wait` before the first request."""

    def __init__(self, stack: ExitStack, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = spawn(
            [sys.executable, "-m", "localcloud.moto_process", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=stack.enter_context(log.open("wb")),
            stderr=subprocess.STDOUT,
            env={
                **_without_aws(os.environ),
                "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
                "MOTO_PORT": str(self.port),
            },
        )
        stack.callback(end, self._process)

    def wait(self) -> None:
        wait_for_port(self.port, lambda: self._process.poll() is None)


def _without_aws(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not name.startswith("AWS_")}
