# SPDX-License-Identifier: Apache-2.0
"""Finds the real Lambda Runtime Interface Emulator that `make setup` takes from aws-sam-cli."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "aws-lambda-rie"


def emulator(tools: Path) -> Path:
    """The emulator in `tools`, or where RUNLET_RIE says."""
    for place in (os.environ.get("RUNLET_RIE"), tools / NAME):
        if place and os.access(place, os.X_OK):
            return Path(place)
    raise RuntimeError(f"{tools / NAME} is not there: run `make setup`")
