# SPDX-License-Identifier: Apache-2.0
"""Unpacks function zips and layers as Lambda does: modes and symlinks kept, layers in order."""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import threading
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path


def unpack(content: bytes, folder: Path) -> None:
    """Unpacks a zip over what `folder` holds; a later file takes the place of an earlier one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            target = folder / entry.filename
            mode = entry.external_attr >> 16
            if not target.parent.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{entry.filename}: leads out of the folder")
            if entry.is_dir():
                if target.is_symlink():
                    target.unlink()
                target.mkdir(parents=True, exist_ok=True)
                target.chmod(stat.S_IMODE(mode) or 0o755)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            elif target.is_symlink() or target.exists():
                target.unlink()
            if stat.S_ISLNK(mode):
                target.symlink_to(archive.read(entry).decode())
                continue
            with archive.open(entry) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            target.chmod(stat.S_IMODE(mode) or 0o644)


class CodeStore:
    """Unpacked code, each combination of zips once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def folder_of(self, zips: Sequence[bytes]) -> Path:
        """The folder with these zips unpacked over each other, in order."""
        digests = [hashlib.sha256(content).digest() for content in zips]
        name = hashlib.sha256(b"".join(digests)).hexdigest()[:32]
        folder = self._folder / name
        with self._lock:
            if not folder.exists():
                fresh = self._folder / f".{name}-{uuid.uuid4().hex[:8]}"
                fresh.mkdir()
                for content in zips:
                    unpack(content, fresh)
                fresh.chmod(0o755)
                fresh.rename(folder)
        return folder
