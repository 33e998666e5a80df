# SPDX-License-Identifier: Apache-2.0
"""Lets SIGTERM and SIGHUP end a command as Ctrl-C does: by an exception, so that all is cleaned."""

from __future__ import annotations

import signal
from types import FrameType


class Stopped(SystemExit):
    """The command was told to stop; its exit status is the shell's for that signal."""


def stop_by_exception() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(again, signal.SIG_IGN)  # the clean-up is not to be cut short
        raise Stopped(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
