# SPDX-License-Identifier: Apache-2.0
"""Waits of the local cloud and the tests: each has a limit, and says what it waited for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

LIMIT = 180.0
"""Seconds for what takes a moment on an idle machine: a limit ends a wait that is in vain."""

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], what: str, limit: float = LIMIT, every: float = 0.02
) -> T:
    """Waits until `condition()` is true and returns it; TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:g} s in vain for {what}")
        time.sleep(every)
    return value


def load_per_core() -> float:
    """How many threads want each core, now or on average in the last minute; at least 1."""
    minute, _, _, now, _ = Path("/proc/loadavg").read_text().split()
    wanting = max(float(minute), float(now.partition("/")[0]))
    return max(1.0, wanting / len(os.sched_getaffinity(0)))


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """The block takes less than `seconds`; on a busy machine by as much more as it is busy."""
    before, begin = load_per_core(), time.monotonic()
    yield
    took, load = time.monotonic() - begin, max(before, load_per_core())
    limit = seconds * load
    assert took < limit, f"{what} took {took:.1f} s, not {limit:.1f} (a load of {load:.1f} a core)"
