# SPDX-License-Identifier: Apache-2.0
"""Lambda's words for how an invocation ended."""

from __future__ import annotations

import json

from localcloud.functions.invocation import Invocation

SIGNALS = {"6": "aborted", "9": "killed", "11": "segmentation fault", "15": "terminated"}


def fail(invocation: Invocation, kind: str, message: str) -> None:
    """Makes the invocation a failed one, with Lambda's own error as its payload."""
    invocation.function_error = "Unhandled"
    invocation.payload = json.dumps({"errorType": kind, "errorMessage": message}).encode()


def exit_text(exit_event: str) -> str:
    """How a runtime ended (`code N` or `signal N`)."""
    kind, _, number = exit_event.partition(" ")
    if kind == "signal":
        return f"Runtime exited with error: signal: {SIGNALS.get(number, number)}"
    if number == "0":
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {number}"


def report_line(invocation: Invocation, *, timed_out: bool) -> str:
    """The REPORT line of the function's log."""
    fields = [
        f"REPORT RequestId: {invocation.request_id}",
        f"Duration: {invocation.duration_ms:.2f} ms",
        f"Billed Duration: {invocation.billed_ms} ms",
        f"Memory Size: {invocation.memory_size} MB",
        f"Max Memory Used: {invocation.max_memory_mb} MB",
    ]
    if invocation.cold_start:
        fields.append(f"Init Duration: {invocation.init_ms:.2f} ms")
    if timed_out:
        fields.append("Status: timeout")
    elif invocation.function_error:
        fields.append(f"Status: error\tError Type: {invocation.error_type}")
    return "\t".join(fields)
