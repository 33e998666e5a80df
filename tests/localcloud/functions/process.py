# SPDX-License-Identifier: Apache-2.0
"""Looks at the processes of a sandbox from outside, by what every user may read in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessTable:
    """One look at all the machine's processes: parents and resident memory."""

    def __init__(self) -> None:
        self._children: dict[int, list[int]] = {}
        self._resident: dict[int, int] = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                stat = (folder / "stat").read_bytes()
            except OSError:
                continue  # ended meanwhile
            # The name of the command, in parentheses, may hold anything; what follows is numbers.
            fields = stat[stat.rindex(b")") + 2 :].split()
            self._children.setdefault(int(fields[1]), []).append(int(folder.name))
            self._resident[int(folder.name)] = int(fields[21]) * PAGE

    def descendants(self, pid: int) -> list[int]:
        found: list[int] = []
        waiting = [pid]
        while waiting:
            children = self._children.get(waiting.pop(), [])
            found += children
            waiting += children
        return sorted(found)

    def resident(self, pids: Iterable[int]) -> int:
        """The sum of these processes' resident memory, in bytes."""
        return sum(self._resident.get(pid, 0) for pid in pids)
