# SPDX-License-Identifier: Apache-2.0
"""Kills an environment whose processes together hold more memory than the function may have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from localcloud.functions.environment import Environment
from localcloud.functions.process import ProcessTable

INTERVAL = 0.1


class MemoryWatchdog:
    """Adds up resident memory while an environment is at work."""

    def __init__(self, busy: Callable[[], Sequence[Environment]]) -> None:
        self._busy = busy
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            environments = [one for one in self._busy() if one.pid]
            if not environments:
                continue
            table = ProcessTable()
            for environment in environments:
                if environment.measure(table) > environment.settings.memory_size << 20:
                    environment.kill("memory")
