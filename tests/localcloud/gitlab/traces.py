# SPDX-License-Identifier: Apache-2.0
"""The log of a job, kept in a file."""

from __future__ import annotations

import threading
import zlib
from pathlib import Path


class Trace:
    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._size = 0
        self._crc32 = 0

    @property
    def size(self) -> int:
        return self._size

    def append(self, data: bytes, first: int) -> int:
        """Adds data that begins at offset `first`, if that is the end, and returns the size."""
        with self._lock:
            if first == self._size and data:
                with self.file.open("ab") as file:
                    file.write(data)
                self._size += len(data)
                self._crc32 = zlib.crc32(data, self._crc32)
            return self._size

    def reset(self) -> None:
        with self._lock:
            self.file.unlink(missing_ok=True)
            self._size = self._crc32 = 0

    def read(self) -> bytes:
        with self._lock:
            return self.file.read_bytes() if self._size else b""

    def fits(self, checksum: str | None, size: int | None) -> bool:
        """Whether what the runner says of the whole trace is true of what is here."""
        with self._lock:
            if size is not None and size != self._size:
                return False
            return checksum is None or checksum.lower() == f"crc32:{self._crc32:08x}"
