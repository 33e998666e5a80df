# SPDX-License-Identifier: Apache-2.0
"""Durations as people write them in a `.gitlab-ci.yml`: `1h 30m`, `3 hours 20 minutes`, `90`."""

from __future__ import annotations

import re

_SECONDS = {
    1: ("s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3600: ("h", "hr", "hrs", "hour", "hours"),
    86400: ("d", "day", "days"),
    7 * 86400: ("w", "wk", "wks", "week", "weeks"),
    30 * 86400: ("mo", "mos", "month", "months"),
    31557600: ("y", "yr", "yrs", "year", "years"),
}
_UNITS = {name: seconds for seconds, names in _SECONDS.items() for name in names}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*(?:,|and\b)?")


def seconds_of(text: str | int | float) -> int:
    """Raises ValueError for what is no duration above zero."""
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is no duration")
    rest = str(text).strip().lower()
    total = 0.0
    while rest:
        part = _PART.match(rest)
        if not part or (part[2] or "s") not in _UNITS:
            raise ValueError(f"{text!r} is no duration (write for example '1h 30m')")
        total += float(part[1]) * _UNITS[part[2] or "s"]
        rest = rest[part.end() :]
    if total < 1:
        raise ValueError(f"{text!r} is no duration above zero")
    return int(total)
