# SPDX-License-Identifier: Apache-2.0
"""The end of the demo: when each job did what, and what Lambda would have charged for it."""

from __future__ import annotations

from collections.abc import Sequence

from localcloud.functions import Invocation
from localcloud.gitlab import Job
from localcloud.prices import AS_OF, FREE_EPHEMERAL_STORAGE_MB, PRICES, cost_of, total_cost
from localcloud.terminal import Terminal


def print_timeline(terminal: Terminal, pairs: Sequence[tuple[Job, Invocation | None]]) -> None:
    """One row a job; times count from the moment the job began to wait for a runner."""
    rows = [("job", "queued", "cold start", "first byte of trace", "done", "result")]
    for job, invocation in pairs:
        marks = job.timestamps
        start = marks.get("pending", marks["created"])

        def since(mark: str, marks: dict[str, float] = marks, start: float = start) -> str:
            return f"{marks[mark] - start:.2f} s" if mark in marks else "-"

        cold = "-"
        if invocation is not None:
            cold = f"{invocation.init_ms:.0f} ms" if invocation.cold_start else "warm"
        rows.append(
            (job.name, since("running"), cold, since("first_trace"), since("finished"), job.status)
        )
    terminal.heading("Timeline")
    terminal.table(rows)


def print_cost(
    terminal: Terminal,
    pairs: Sequence[tuple[Job, Invocation | None]],
    others: Sequence[Invocation],
    storage_mb: int,
) -> None:
    """What the invocations cost at list price, on both architectures."""
    rows = [("job", "billed", "memory", "most used", "x86_64", "arm64")]
    named = [(job.name, one) for job, one in pairs if one is not None]
    for name, one in [*named, *[("(no job)", one) for one in others]]:
        prices = [
            f"${cost_of(one.billed_ms, one.memory_size, storage_mb, architecture).total:.7f}"
            for architecture in PRICES
        ]
        rows.append(
            (name, f"{one.billed_ms:,} ms", f"{one.memory_size:,} MB", f"{one.max_memory_mb} MB",
             *prices)
        )  # fmt: skip
    every = [one for _, one in named] + list(others)
    sums = [total_cost(every, storage_mb, architecture) for architecture in PRICES]
    totals = [f"${one.total:.7f}" for one in sums]
    rows.append(("together", f"{sum(one.billed_ms for one in every):,} ms", "", "", *totals))
    terminal.heading(f"Cost in Lambda at list price, {AS_OF}")
    terminal.table(rows)
    terminal.line(
        "  Billed is the time of init and invocation measured here, on this machine's cores;"
    )
    storage = f"{storage_mb:,} MB of /tmp" if storage_mb > FREE_EPHEMERAL_STORAGE_MB else "/tmp"
    terminal.line(f"  requests and {storage} are included, logs and the free tier are not.")
