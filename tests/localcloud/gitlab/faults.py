# SPDX-License-Identifier: Apache-2.0
"""Trouble on demand: what a test wants to go wrong with the next requests."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """One kind of trouble; `used` counts the requests that met it."""

    method: str
    path: re.Pattern[str]
    status: int | None
    headers: Mapping[str, str]
    body: bytes
    delay: float
    delay_response: float
    cut_after: int | None
    cut_response: bool
    cut_response_after: int | None
    times: int | None
    used: int = field(default=0)


class Faults:
    """The list of faults. A request meets the first that fits and is not used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        *,
        method: str = "*",
        path: str = ".*",
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        delay: float = 0.0,
        delay_response: float = 0.0,
        cut_after: int | None = None,
        cut_response: bool = False,
        cut_response_after: int | None = None,
        times: int | None = 1,
    ) -> Fault:
        """Adds trouble for the next `times` requests (None: until `clear`).

        `path` is searched for in the path without its query. `delay` seconds pass first. Then
        `status` answers instead of serving, an error without `body` as GitLab does (JSON);
        `cut_after` reads that many bytes of the body and
        resets the connection, `cut_response` serves the request and resets it before the answer,
        `cut_response_after` after that many bytes of the answer's body. `delay_response` seconds
        pass between serving and answering.
        """
        fault = Fault(
            method=method.upper(),
            path=re.compile(path),
            status=status,
            headers=dict(headers or {}),
            body=body.encode() if isinstance(body, str) else body,
            delay=delay,
            delay_response=delay_response,
            cut_after=cut_after,
            cut_response=cut_response,
            cut_response_after=cut_response_after,
            times=times,
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted as used."""
        with self._lock:
            for fault in self._faults:
                spent = fault.times is not None and fault.used >= fault.times
                if not spent and fault.method in ("*", method) and fault.path.search(path):
                    fault.used += 1
                    return fault
        return None
