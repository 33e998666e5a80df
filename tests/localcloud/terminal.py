# SPDX-License-Identifier: Apache-2.0
"""What the commands print: plain text, with colour only at a terminal that wants it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Prints steps with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._line_open = False

    def paint(self, text: str, style: str) -> str:
        return f"\033[{CODES[style]}m{text}\033[0m" if self._colour else text

    def heading(self, text: str) -> None:
        self.line()
        self.line(self.paint(text, "bold"))

    def step(self, text: str, style: str | None = None) -> None:
        """Something that happened, with its time."""
        clock = self.paint(f"{time.monotonic() - self._started:7.2f} s", "dim")
        self.line(f"{clock}  {self.paint(text, style) if style else text}")

    def line(self, text: str = "") -> None:
        if self._line_open:
            print()
            self._line_open = False
        print(text, flush=True)

    def raw(self, content: bytes) -> None:
        """Bytes as they are: another program's output."""
        if not content:
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        self._line_open = not content.endswith(b"\n")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A table whose first row is its head and whose first column is text."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            text = "  ".join(cells).rstrip()
            self.line("  " + (self.paint(text, "dim") if number == 0 else text))
