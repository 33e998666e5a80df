# SPDX-License-Identifier: Apache-2.0
"""Lambda's list prices, and what an invocation costs at them.

US dollars, as published for us-east-1 and eu-central-1 (first tier, no free tier, no savings plan).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localcloud.functions.invocation import Invocation

AS_OF = "November 2026"
FREE_EPHEMERAL_STORAGE_MB = 512


@dataclass(frozen=True)
class Prices:
    gb_second: float
    request: float
    storage_gb_second: float  # of ephemeral storage above 512 MB


PRICES = {
    "x86_64": Prices(0.0000166667, 0.20 / 1_000_000, 0.0000000309),
    "arm64": Prices(0.0000133334, 0.20 / 1_000_000, 0.0000000309),
}


@dataclass(frozen=True)
class Cost:
    """The parts of a price in dollars."""

    compute: float
    requests: float
    storage: float

    @property
    def total(self) -> float:
        return self.compute + self.requests + self.storage

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.compute + other.compute,
            self.requests + other.requests,
            self.storage + other.storage,
        )


def cost_of(
    billed_ms: int, memory_mb: int, ephemeral_storage_mb: int, architecture: str = "x86_64"
) -> Cost:
    """What one invocation of this length costs; from August 2025 on init is billed too."""
    prices = PRICES[architecture]
    seconds = billed_ms / 1000
    paid_storage = max(0, ephemeral_storage_mb - FREE_EPHEMERAL_STORAGE_MB) / 1024
    return Cost(
        compute=seconds * memory_mb / 1024 * prices.gb_second,
        requests=prices.request,
        storage=seconds * paid_storage * prices.storage_gb_second,
    )


def total_cost(
    invocations: Iterable[Invocation], ephemeral_storage_mb: int, architecture: str = "x86_64"
) -> Cost:
    """What these invocations cost together."""
    total = Cost(0.0, 0.0, 0.0)
    for one in invocations:
        total += cost_of(one.billed_ms, one.memory_size, ephemeral_storage_mb, architecture)
    return total
