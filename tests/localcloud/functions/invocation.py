# SPDX-License-Identifier: Apache-2.0
"""One invocation of a function, and what became of it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any


def _trace_id() -> str:
    """An X-Ray trace id as Lambda sends one with each event, not sampled."""
    root = f"1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    return f"Root={root};Parent={uuid.uuid4().hex[:16]};Sampled=0"


@dataclass
class Invocation:
    """What Lambda knows of one invocation; times in milliseconds."""

    request_id: str
    function_name: str
    version: str
    event: bytes = b"{}"
    payload: bytes = b""
    function_error: str | None = None
    duration_ms: float = 0.0
    billed_ms: int = 0
    max_memory_mb: int = 0
    memory_size: int = 0
    cold_start: bool = False
    init_ms: float = 0.0
    environment_id: str = ""
    started_at: float = field(default_factory=time.time)
    delivered_at: float | None = None
    finished_at: float | None = None
    deadline_at: float | None = None
    attempt: int = 1
    trace_id: str = field(default_factory=_trace_id)
    log: list[str] = field(default_factory=list)

    @property
    def response(self) -> Any:
        """The payload as parsed JSON, or as text where it is none."""
        if not self.payload:
            return None
        try:
            return json.loads(self.payload)
        except ValueError:
            return self.payload.decode(errors="replace")

    @property
    def answer(self) -> Any:
        """The response of an invocation that came to a good end. Raises where it did not."""
        if self.function_error:
            end = "\n".join(self.log[-20:])
            raise AssertionError(f"the function failed: {self.response}; its log ends:\n{end}")
        return self.response

    @property
    def error_type(self) -> str | None:
        """The `errorType` of a failed invocation."""
        if not self.function_error or not isinstance(self.response, dict):
            return None
        return self.response.get("errorType")
