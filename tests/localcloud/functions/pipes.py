# SPDX-License-Identifier: Apache-2.0
"""The two FIFOs of a sandbox: what it says to its log, and what its init reports."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path


class Pipes:
    """Reads both FIFOs line by line until their writers are gone."""

    def __init__(
        self,
        folder: Path,
        on_event: Callable[[str], None],
        on_log: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self.log = folder / "log"
        self.events = folder / "events"
        self._lock = threading.Lock()
        self._handlers: dict[int, Callable[[str], None]] = {}
        self._rest: dict[int, bytes] = {}
        self._on_end = on_end
        self._written = False
        self._poll = select.poll()
        for path, handler in ((self.log, on_log), (self.events, on_event)):
            os.mkfifo(path)
            path.chmod(0o666)  # the function may open its /dev/stdout again
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._handlers[descriptor] = handler
            self._rest[descriptor] = b""
            self._poll.register(descriptor, select.POLLIN)
        self._log_fd, self._events_fd = self._handlers
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        self._poll.register(self._wake_read, select.POLLIN)
        self._thread = threading.Thread(target=self._read_for_ever, daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Reads all that was written to the log until now."""
        with self._lock:
            self._read(self._log_fd)

    def wait_for_end(self, seconds: float = 10.0) -> None:
        """Waits until no process holds the FIFOs any more, or gives up on them."""
        if threading.current_thread() is self._thread:
            return
        self._thread.join(timeout=seconds if self._written else 0)
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself
            os.write(self._wake_write, b"x")
        self._thread.join()
        os.close(self._wake_write)

    def _read(self, descriptor: int) -> bool:
        """Reads what is there; false when its writers are gone."""
        while descriptor in self._handlers:
            try:
                content = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                return True
            if not content:
                break
            *lines, rest = (self._rest[descriptor] + content).split(b"\n")
            self._rest[descriptor] = rest
            for line in lines:
                self._handlers[descriptor](line.decode(errors="replace"))
        return False

    def _read_for_ever(self) -> None:
        watched = set(self._handlers)
        while watched:
            woken = False
            for descriptor, what in self._poll.poll():
                if descriptor == self._wake_read:
                    woken = True
                    continue
                self._written = True
                with self._lock:
                    alive = self._read(descriptor)
                if not alive and what & select.POLLHUP:
                    watched.discard(descriptor)
                    self._poll.unregister(descriptor)
            if woken:
                break
        with self._lock:
            for descriptor, handler in self._handlers.items():
                self._read(descriptor)
                if self._rest[descriptor]:
                    handler(self._rest[descriptor].decode(errors="replace"))
            for descriptor in [*self._handlers, self._wake_read]:
                os.close(descriptor)
            self._handlers.clear()
        self._on_end()
